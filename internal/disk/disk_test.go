package disk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// content is a disk of random, repetitive and empty stretches, which ends in
// the middle of a cluster of any size above 512 bytes.
func content(r *rand.Rand) []byte {
	const size = 9<<20 + 512
	disk := make([]byte, size)
	for at := 0; at < size; {
		length := min(1+r.IntN(300_000), size-at)
		part := disk[at : at+length]
		switch r.IntN(3) {
		case 0:
			for i := range part {
				part[i] = byte(r.Uint32())
			}
		case 1:
			copy(part, bytes.Repeat([]byte(fmt.Sprintf("line %d\n", at)), length/5))
		}
		at += length
	}
	return disk
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func writeFile(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) *disk.Image {
	t.Helper()
	image, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := image.Close(); err != nil {
			t.Error(err)
		}
	})
	return image
}

// sameBytes compares the whole disk, and many small pieces of it from several
// goroutines at once.
func sameBytes(t *testing.T, image *disk.Image, want []byte) {
	t.Helper()
	if image.Size() != int64(len(want)) {
		t.Fatalf("size: got %d, want %d", image.Size(), len(want))
	}
	got, err := io.ReadAll(io.NewSectionReader(image, 0, image.Size()+1))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("content differs at byte %d", firstDifference(got, want))
	}
	var readers sync.WaitGroup
	for seed := range uint64(4) {
		readers.Go(func() { samePieces(t, image, want, rand.New(rand.NewPCG(seed, 0))) })
	}
	readers.Wait()
}

func samePieces(t *testing.T, image *disk.Image, want []byte, r *rand.Rand) {
	buffer := make([]byte, 9000)
	for range 200 {
		piece := buffer[:r.IntN(len(buffer))]
		off := r.IntN(len(want) - len(piece))
		if n, err := image.ReadAt(piece, int64(off)); err != nil || n != len(piece) {
			t.Errorf("read of %d bytes at %d: got %d, %v", len(piece), off, n, err)
		}
		if !bytes.Equal(piece, want[off:off+len(piece)]) {
			t.Errorf("read of %d bytes at %d: wrong content", len(piece), off)
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestQCOW2OfEveryKindReadsTheSameBytes(t *testing.T) {
	disktest.Need(t, "reading qcow2 images", "qemu-img")
	want := content(seeded())
	raw := writeFile(t, filepath.Join(t.TempDir(), "raw"), want)
	for _, options := range []string{
		"-o compat=0.10", "-o compat=1.1", "-c -o compat=0.10",
		"-o cluster_size=512", "-o cluster_size=4k", "-o cluster_size=2M",
		"-c", "-c -o cluster_size=512", "-c -o cluster_size=4k", "-c -o cluster_size=2M",
		"-c -o compression_type=zstd", "-c -o compression_type=zstd,cluster_size=4k", "-c -o compression_type=zstd,cluster_size=2M",
		"-o extended_l2=on", "-o extended_l2=on,cluster_size=16k", "-o extended_l2=on,cluster_size=2M",
		"-c -o extended_l2=on,compression_type=zstd",
		"-o lazy_refcounts=on", "-o refcount_bits=1", "-o refcount_bits=64",
		"-o preallocation=metadata", "-o preallocation=falloc", "-o preallocation=full",
	} {
		t.Run(strings.ReplaceAll(options, " ", ""), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			args := append([]string{"convert", "-f", "raw", "-O", "qcow2"}, strings.Fields(options)...)
			disktest.Run(t, "qemu-img", append(args, raw, path)...)
			image := open(t, path)
			if got := image.Info().Format; got != disk.FormatQCOW2 {
				t.Errorf("format: got %s, want qcow2", got)
			}
			sameBytes(t, image, want)
		})
	}
}

// written are commands of qemu-io that leave clusters in every state there is.
var written = []string{
	"write -P 0x11 0 1M", "write -P 0x22 3000k 700k", "write -z 3100k 64k", "write -z -u 3300k 128k",
	"discard 3400k 64k", "write -P 0x33 5000000 1", "write -P 0x44 6291456 2048", "write -z 6292480 512",
	"write -c -P 0x55 8M 2M", "write -P 0x66 7500k 3k", "write -P 0x77 10485760 512",
}

func TestQCOW2WrittenInPlaceReadsTheSameBytes(t *testing.T) {
	disktest.Need(t, "reading qcow2 images that were written to", "qemu-img", "qemu-io")
	for _, options := range []string{
		"compat=1.1", "compat=0.10", "cluster_size=512", "cluster_size=4k", "cluster_size=2M",
		"extended_l2=on", "extended_l2=on,cluster_size=16k", "extended_l2=on,cluster_size=2M",
		"compression_type=zstd", "lazy_refcounts=on",
	} {
		t.Run(options, func(t *testing.T) {
			path, raw := filepath.Join(t.TempDir(), "image"), filepath.Join(t.TempDir(), "raw")
			disktest.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, fmt.Sprint(10<<20+512))
			args := []string{"-f", "qcow2"}
			for _, command := range written {
				args = append(args, "-c", command)
			}
			disktest.Run(t, "qemu-io", append(args, path)...)
			disktest.Run(t, "qemu-img", "snapshot", "-c", "before", path)
			disktest.Run(t, "qemu-io", "-f", "qcow2", "-c", "write -P 0x88 512k 1M", path)
			disktest.Run(t, "qemu-img", "convert", "-O", "raw", path, raw)
			want, err := os.ReadFile(raw)
			if err != nil {
				t.Fatal(err)
			}
			image := open(t, path)
			if got := image.Info().QCOW2.Snapshots; got != 1 {
				t.Errorf("snapshots: got %d, want 1", got)
			}
			sameBytes(t, image, want)
		})
	}
}

func TestTruncatedQCOW2IsRefusedOrWhole(t *testing.T) {
	disktest.Need(t, "refusing truncated qcow2 images", "qemu-img")
	want := content(seeded())[:3<<20]
	raw := writeFile(t, filepath.Join(t.TempDir(), "raw"), want)
	for _, options := range []string{"-o compat=0.10", "-o cluster_size=4k", "-c", "-c -o compression_type=zstd,cluster_size=4k", "-o extended_l2=on", "-o preallocation=metadata"} {
		t.Run(strings.ReplaceAll(options, " ", ""), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			args := append([]string{"convert", "-f", "raw", "-O", "qcow2"}, strings.Fields(options)...)
			disktest.Run(t, "qemu-img", append(args, raw, path)...)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, length := range cuts(len(whole)) {
				refusedOrWhole(t, whole[:length], want)
			}
		})
	}
}

// cuts are lengths of a file of size bytes that was cut off: near its start,
// near its end, and anywhere.
func cuts(size int) []int {
	r := seeded()
	lengths := []int{4, 71, 72, 103, 104, 512, size / 2, size - 1, size - 511, size - 512, size - 4096}
	for range 60 {
		lengths = append(lengths, 4+r.IntN(size-4))
	}
	return lengths
}

func refusedOrWhole(t *testing.T, file, want []byte) {
	t.Helper()
	image, err := disk.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		if !errors.Is(err, disk.ErrCorrupt) {
			t.Errorf("cut to %d bytes: got %v, want ErrCorrupt", len(file), err)
		}
		return
	}
	got := make([]byte, image.Size())
	if _, err := image.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("cut to %d bytes: opened, but it lost content (%v)", len(file), err)
	}
}

func TestUnsafeQCOW2IsRefusedUnopened(t *testing.T) {
	disktest.Need(t, "refusing qcow2 images that name other files", "qemu-img")
	dir := t.TempDir()
	secret := writeFile(t, filepath.Join(dir, "secret"), make([]byte, 1<<20))
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"backing file", []string{"-b", secret, "-F", "raw"}, fmt.Sprintf("backing file %q", secret)},
		{"backing file that is missing", []string{"-u", "-b", "/nowhere/at/all", "-F", "raw"}, `backing file "/nowhere/at/all"`},
		{"data file", []string{"-o", "data_file=" + filepath.Join(dir, "data")}, fmt.Sprintf("external data file %q", filepath.Join(dir, "data"))},
		{"LUKS", []string{"--object", "secret,id=s,data=x", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"}, "encrypted with LUKS"},
		{"AES", []string{"--object", "secret,id=s,data=x", "-o", "encrypt.format=aes,encrypt.key-secret=s"}, "encrypted with AES"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			create(t, path, test.args...)
			_, err := disk.Open(path)
			if !errors.Is(err, disk.ErrUnsafe) {
				t.Fatalf("got %v, want ErrUnsafe", err)
			}
			for _, want := range []string{path, test.want, "qemu-img convert"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("message %q does not say %q", err, want)
				}
			}
		})
	}
}

// create makes a qcow2. On a busy machine qemu-img cannot always measure what
// an iteration of LUKS costs ("Unable to get accurate CPU usage").
func create(t *testing.T, path string, args ...string) {
	t.Helper()
	args = slices.Concat([]string{"create", "-q", "-f", "qcow2"}, args, []string{path, "1M"})
	for range 5 {
		if exec.Command("qemu-img", args...).Run() == nil {
			return
		}
	}
	disktest.Run(t, "qemu-img", args...)
}

func TestOtherFormatsAreNamedWithTheirRemedy(t *testing.T) {
	disktest.Need(t, "recognising other image formats", "qemu-img")
	raw := writeFile(t, filepath.Join(t.TempDir(), "raw"), content(seeded())[:1<<20])
	for format, want := range map[string]string{
		"qed": "QED", "qcow": "qcow version 1", "parallels": "Parallels",
	} {
		t.Run(strings.ReplaceAll(format, " ", ""), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image.qcow2")
			args := append([]string{"convert", "-f", "raw", "-O"}, strings.Fields(format)...)
			disktest.Run(t, "qemu-img", append(args, raw, path)...)
			_, err := disk.Open(path)
			if !errors.Is(err, disk.ErrUnsupported) {
				t.Fatalf("got %v, want ErrUnsupported", err)
			}
			for _, want := range []string{want, "qemu-img convert -O qcow2"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("message %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestFilesThatAreNoDiskGetAClearSentence(t *testing.T) {
	pad := func(start string, size int) string { return start + strings.Repeat("\x00", size-len(start)) }
	tests := []struct {
		name, content string
		kind          error
		want          string
	}{
		{"empty", "", disk.ErrCorrupt, "no disk image: it is empty"},
		{"text", "hello, world\n", disk.ErrCorrupt, "no disk image: its 13 bytes are not whole sectors"},
		{"gzip", "\x1f\x8b\x08 and more", disk.ErrCorrupt, "unpacking gzip"},
		{"xz", "\xfd7zXZ\x00 and more", disk.ErrCorrupt, "unpacking xz"},
		{"zstd", "\x28\xb5\x2f\xfd and more", disk.ErrCorrupt, "unpacking zstd"},
		{"bzip2", "BZh and more", disk.ErrUnsupported, "bunzip2"},
		{"tar", pad("", 257) + "ustar" + pad("", 250), disk.ErrCorrupt, "tar archive"},
		{"ISO", pad("", 0x8001) + pad("CD001", 1023), disk.ErrUnsupported, "ISO 9660"},
		{"UDF", pad("", 0x8001) + pad("NSR02", 1023), disk.ErrUnsupported, "UDF"},
		{"LUKS", pad("LUKS\xba\xbe", 1024), disk.ErrUnsupported, "LUKS"},
		{"qcow2 magic alone", "QFI\xfb", disk.ErrCorrupt, "the file ends after 4 bytes"},
		{"qcow2 of version 9", pad("QFI\xfb\x00\x00\x00\x09", 4096), disk.ErrCorrupt, "version 9"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := writeFile(t, filepath.Join(t.TempDir(), "image"), []byte(test.content))
			_, err := disk.Open(path)
			if !errors.Is(err, test.kind) {
				t.Fatalf("got %v, want %v", err, test.kind)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("message %q does not say %q of %s", err, test.want, path)
			}
		})
	}
}

func TestProblemsAreThoseOfGlanceAndNova(t *testing.T) {
	disktest.Need(t, "the safety checks of qcow2 images", "qemu-img")
	tests := []struct {
		name string
		args []string
		// patch is written at offset.
		offset int
		patch  string
		want   []string
	}{
		{name: "plain", args: nil},
		{name: "version 2", args: []string{"-o", "compat=0.10"}},
		{name: "zstd", args: []string{"-o", "compression_type=zstd"}},
		{name: "extended L2", args: []string{"-o", "extended_l2=on"}, want: []string{"extended L2"}},
		{name: "dirty", offset: 79, patch: "\x01", want: []string{"marked dirty"}},
		{name: "corrupt", offset: 79, patch: "\x02", want: []string{"marked corrupt"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			disktest.Run(t, "qemu-img", slices.Concat([]string{"create", "-q", "-f", "qcow2"}, test.args, []string{path, "1M"})...)
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copy(file[test.offset:], test.patch)
			sameProblems(t, open(t, writeFile(t, path, file)).Problems(), test.want)
		})
	}
}

// masterBootRecord has an entry for each of the given: boot flag, start CHS,
// type, start and number of sectors.
func masterBootRecord(entries ...string) []byte {
	sector := make([]byte, 512)
	for i, e := range entries {
		copy(sector[446+16*i:], e)
	}
	copy(sector[510:], "\x55\xaa")
	return sector
}

func TestProblemsOfRawDisksAreThoseOfTheMBRCheck(t *testing.T) {
	const (
		linux      = "\x80\x00\x02\x00\x83\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00"
		protective = "\x00\x00\x02\x00\xee\xff\xff\xff\x01\x00\x00\x00\xff\x00\x00\x00"
		noCHS      = "\x00\x00\x01\x00\xee\xff\xff\xff\x01\x00\x00\x00\xff\x00\x00\x00"
		lateStart  = "\x00\x00\x02\x00\xee\xff\xff\xff\x02\x00\x00\x00\xff\x00\x00\x00"
		badFlag    = "\x01\x00\x02\x00\x83\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00"
	)
	tests := []struct {
		name string
		disk []byte
		want []string
	}{
		{"no table", make([]byte, 512), nil},
		{"one partition", masterBootRecord(linux), nil},
		{"protective", masterBootRecord(protective), nil},
		{"hybrid", masterBootRecord(protective, linux), []string{"hybrid MBR"}},
		{"protective second", masterBootRecord("", protective), []string{"hybrid MBR"}},
		{"protective with another CHS", masterBootRecord(noCHS), []string{"starts at CHS 00 01 00"}},
		{"protective with another start", masterBootRecord(lateStart), []string{"starts at sector 2"}},
		{"no partition", masterBootRecord(), []string{"the MBR has no partition"}},
		{"boot flag", masterBootRecord(badFlag), []string{"boot flag 0x01"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			image, err := disk.NewReader(bytes.NewReader(test.disk), int64(len(test.disk)))
			if err != nil {
				t.Fatal(err)
			}
			sameProblems(t, image.Problems(), test.want)
		})
	}
}

func sameProblems(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("got %q, want it to say %q", got[i], want[i])
		}
	}
}

func TestInfoIsWrittenAsJSON(t *testing.T) {
	disktest.Need(t, "the description of qcow2 images", "qemu-img")
	path := filepath.Join(t.TempDir(), "image")
	disktest.Run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on,compression_type=zstd", path, "3G")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(open(t, path).Info())
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"format":"qcow2","file_size":%d,"virtual_size":3221225472,"qcow2":{"version":3,"cluster_size":65536,`+
		`"compression":"zstd","extended_l2":false,"lazy_refcounts":true,"dirty":false,"corrupt":false,"snapshots":0}}`, info.Size())
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
