package postprocessor

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
)

func TestProgressTellsOfAllTransfersInOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		all := &narrator{ui: &packersdk.BasicUi{Writer: &said, ErrorWriter: &said}, several: true}
		north, south := all.cloud("north"), all.cloud("south")
		const mib, total = 1 << 20, 1 << 30
		north.Step("sending")
		north.Sent(0, total)
		south.Sent(0, total)
		time.Sleep(4 * time.Second)
		north.Sent(256*mib, total)
		time.Sleep(6 * time.Second)
		south.Sent(512*mib, total)
		time.Sleep(5 * time.Second)
		north.Step("sending again from the first byte")
		north.Sent(0, total)
		time.Sleep(5 * time.Second)
		south.Sent(768*mib, total)
		time.Sleep(10 * time.Second)
		south.Sent(total, total)
		time.Sleep(10 * time.Second)
		north.Sent(total, total)
		want := `north: sending
  north sent 256 MiB of 1 GiB (25%), 25.6 MiB/s, about 30s left; south sent 512 MiB of 1 GiB (50%), 51.2 MiB/s, about 10s left
north: sending again from the first byte
  north sent nothing yet of 1 GiB; south sent 768 MiB of 1 GiB (75%), 38.4 MiB/s, about 7s left
  north sent nothing yet of 1 GiB
  sent all, waiting for the answer
`
		if said.String() != want {
			t.Errorf("got\n%s\nwant\n%s", &said, want)
		}
	})
}

// BenchmarkProgress measures what it costs to be told of one MiB, which is when
// a publication tells, and what part that is of a transfer of 1 GiB/s.
func BenchmarkProgress(b *testing.B) {
	v := (&narrator{ui: &packersdk.BasicUi{Writer: io.Discard, ErrorWriter: io.Discard}}).cloud("north")
	var sent int64
	for b.Loop() {
		sent++
		v.Sent(sent<<20, 1<<60)
	}
	perMiB := float64(b.Elapsed()) / float64(b.N)
	b.ReportMetric(100*perMiB/(float64(time.Second)/1024), "%-of-1GiB/s")
}
