package boot

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
)

// BenchmarkProof tells the seconds from power-on to all proofs but reboot and
// shutdown, beside those of a bare boot of the same image to its login prompt.
func BenchmarkProof(b *testing.B) {
	image := os.Getenv(imageVariable)
	if image == "" {
		b.Skipf("needs %s, the image that hack/boot-image.sh makes: the proof is not measured", imageVariable)
	}
	rep, err := report.Inspect(context.Background(), image)
	if err != nil {
		b.Fatal(err)
	}
	options := Options{Image: image, Facts: &rep.Facts, Via: []Via{ConfigDrive}, NoReboot: true}
	var bare, proved float64
	for b.Loop() {
		bare += bareBoot(b, options)
		result, err := Prove(context.Background(), options)
		if err != nil {
			b.Fatal(err)
		}
		if result.Runs[0].ProvedSeconds == 0 {
			b.Fatalf("nothing was proved: %s", result.Runs[0].Over)
		}
		proved += result.Runs[0].ProvedSeconds
	}
	b.ReportMetric(bare/float64(b.N), "s-to-login")
	b.ReportMetric(proved/float64(b.N), "s-to-proofs")
	b.ReportMetric(proved/bare, "times-the-boot")
}

// bareBoot starts the same machine and does nothing but read its console.
func bareBoot(b *testing.B, options Options) float64 {
	b.Helper()
	if err := options.complete(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), options.Timeout)
	defer cancel()
	p, err := newProver(ctx, options, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	m, err := p.newMachine(ctx, ConfigDrive)
	if err != nil {
		b.Fatal(err)
	}
	l := &live{options: &p.options, machine: m, sight: &sight{via: ConfigDrive, instance: m.instance}}
	defer func() {
		if err := l.stop(); err != nil {
			b.Error(err)
		}
	}()
	if err := l.start(ctx); err != nil {
		b.Fatal(err)
	}
	for l.run.LoginSeconds == 0 {
		if !pause(ctx, 200*time.Millisecond) {
			b.Fatal("the image came to no login prompt")
		}
		l.follow()
	}
	return l.run.LoginSeconds
}
