package disk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// packers are the commands that pack a file in each way.
var packers = map[disk.Wrapping][]string{
	disk.WrappingGzip: {"gzip", "-k"},
	disk.WrappingXZ:   {"xz", "-k", "-T2", "--block-size=1MiB"},
	disk.WrappingZstd: {"zstd", "-q", "-k", "--ultra", "-20", "--long=27"},
}

// packed packs the file at path, and returns the path of the packed file.
func packed(t testing.TB, path string, w disk.Wrapping) string {
	t.Helper()
	disktest.Run(t, packers[w][0], append(packers[w][1:], path)...)
	return path + map[disk.Wrapping]string{disk.WrappingGzip: ".gz", disk.WrappingXZ: ".xz", disk.WrappingZstd: ".zst"}[w]
}

// ovf is a descriptor as VirtualBox writes it, as far as disks go.
func ovf(disks ...string) string {
	var files, section strings.Builder
	for i, name := range disks {
		fmt.Fprintf(&files, "<File ovf:id=\"file%d\" ovf:href=\"%s\"/>\n", i+1, name)
		fmt.Fprintf(&section, "<Disk ovf:capacity=\"9437696\" ovf:diskId=\"vmdisk%d\" ovf:fileRef=\"file%d\" ovf:format=\"http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized\"/>\n", i+1, i+1)
	}
	return "<?xml version=\"1.0\"?>\n<Envelope ovf:version=\"1.0\" xml:lang=\"en-US\" xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\">\n" +
		"<References>\n" + files.String() + "</References>\n<DiskSection>\n<Info>List of the virtual disks</Info>\n" + section.String() +
		"</DiskSection>\n<VirtualSystem ovf:id=\"vm\"><Info>A virtual machine</Info></VirtualSystem>\n</Envelope>\n"
}

// appliance makes an OVA of the descriptor and the files, in this order.
func appliance(t *testing.T, descriptor string, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "vm.ovf"), []byte(descriptor))
	path := filepath.Join(dir, "vm.ova")
	args := []string{"--format=ustar", "-cf", path, "-C", dir, "vm.ovf"}
	for _, file := range files {
		args = append(args, "-C", filepath.Dir(file), filepath.Base(file))
	}
	disktest.Run(t, "tar", args...)
	return path
}

func TestWrappedImagesReadTheSameBytes(t *testing.T) {
	disktest.Need(t, "reading compressed images and OVAs", "qemu-img", "gzip", "xz", "zstd", "tar")
	data := content(seeded())[:3<<20]
	stream, want := converted(t, data, "vmdk -o subformat=streamOptimized")
	raw := writeFile(t, filepath.Join(t.TempDir(), "raw"), want)
	plain := func(path string) func() string { return func() string { return path } }
	ova := func() string { return appliance(t, ovf("image.vmdk"), stream) }
	tests := map[string]struct {
		path   func() string
		format disk.Format
		want   []disk.Wrapping
	}{
		"plain":  {plain(stream), disk.FormatVMDK, nil},
		"gzip":   {func() string { return packed(t, raw, disk.WrappingGzip) }, disk.FormatRaw, []disk.Wrapping{disk.WrappingGzip}},
		"xz":     {func() string { return packed(t, raw, disk.WrappingXZ) }, disk.FormatRaw, []disk.Wrapping{disk.WrappingXZ}},
		"zstd":   {func() string { return packed(t, stream, disk.WrappingZstd) }, disk.FormatVMDK, []disk.Wrapping{disk.WrappingZstd}},
		"OVA":    {ova, disk.FormatVMDK, []disk.Wrapping{disk.WrappingOVA}},
		"OVA.gz": {func() string { return packed(t, ova(), disk.WrappingGzip) }, disk.FormatVMDK, []disk.Wrapping{disk.WrappingGzip, disk.WrappingOVA}},
		"gz in OVA": {func() string {
			return appliance(t, ovf("image.vmdk.gz"), packed(t, stream, disk.WrappingGzip))
		}, disk.FormatVMDK, []disk.Wrapping{disk.WrappingOVA, disk.WrappingGzip}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := test.path()
			image := open(t, path)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := image.Info(); got.Format != test.format || !slices.Equal(got.Wrapping, test.want) || got.FileSize != info.Size() {
				t.Errorf("got %s in %v of %d bytes, want %s in %v of %d", got.Format, got.Wrapping, got.FileSize, test.format, test.want, info.Size())
			}
			sameBytes(t, image, want)
			if problems := image.Problems(); len(problems) != len(test.want) {
				t.Errorf("got the problems %q, want one for each of %v", problems, test.want)
			}
		})
	}
}

// Several streams in a row, as pixz and cat make them, are one file.
func TestStreamsInARowAreUnpackedWhole(t *testing.T) {
	disktest.Need(t, "reading compressed images", "gzip", "xz", "zstd")
	data := content(seeded())[:1<<20]
	for w := range packers {
		t.Run(string(w), func(t *testing.T) {
			var joined []byte
			for i, part := range [][]byte{data[:300<<10], data[300<<10:]} {
				file, err := os.ReadFile(packed(t, writeFile(t, filepath.Join(t.TempDir(), fmt.Sprint(i)), part), w))
				if err != nil {
					t.Fatal(err)
				}
				joined = append(joined, file...)
			}
			sameBytes(t, open(t, writeFile(t, filepath.Join(t.TempDir(), "joined"), joined)), data)
		})
	}
}

func TestUnpackingLeavesNoFile(t *testing.T) {
	disktest.Need(t, "unpacking compressed images", "gzip", "xz", "zstd")
	raw := writeFile(t, filepath.Join(t.TempDir(), "raw"), content(seeded())[:2<<20])
	for w := range packers {
		path := packed(t, raw, w)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		cut := writeFile(t, filepath.Join(t.TempDir(), "cut"), whole[:len(whole)-5])
		flipped := slices.Clone(whole)
		flipped[len(flipped)*2/3] ^= 4
		tests := []struct {
			name    string
			path    string
			options disk.Options
			ctx     func(context.Context) context.Context
			want    error
			says    string
		}{
			{"whole", path, disk.Options{}, nil, nil, ""},
			{"cut off", cut, disk.Options{}, nil, disk.ErrCorrupt, "cut off"},
			{"damaged", writeFile(t, filepath.Join(t.TempDir(), "flipped"), flipped), disk.Options{}, nil, disk.ErrCorrupt, "copy or build it again"},
			{"limit", path, disk.Options{UnpackLimit: 1 << 20}, nil, disk.ErrUnsafe, "more than the limit of 1048576 bytes"},
			{"cancelled", path, disk.Options{}, cancelled, context.Canceled, "canceled"},
		}
		for _, test := range tests {
			t.Run(string(w)+" "+test.name, func(t *testing.T) {
				test.options.TempDir = t.TempDir()
				ctx := t.Context()
				if test.ctx != nil {
					ctx = test.ctx(ctx)
				}
				image, err := disk.OpenWith(ctx, test.path, test.options)
				if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.says) {
					t.Fatalf("got %v, want %v that says %q", err, test.want, test.says)
				}
				if image != nil {
					if err := image.Close(); err != nil {
						t.Error(err)
					}
				}
				if left, err := os.ReadDir(test.options.TempDir); err != nil || len(left) > 0 {
					t.Errorf("left in the folder of temporary files: %v, %v", left, err)
				}
			})
		}
	}
}

func cancelled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func TestUnpackingTellsItsProgress(t *testing.T) {
	disktest.Need(t, "unpacking compressed images", "gzip")
	path := packed(t, writeFile(t, filepath.Join(t.TempDir(), "raw"), content(seeded())), disk.WrappingGzip)
	var told []int64
	image, err := disk.OpenWith(t.Context(), path, disk.Options{Progress: func(done, total int64) { told = append(told, done, total) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := image.Close(); err != nil {
		t.Fatal(err)
	}
	size := image.Info().FileSize
	if len(told) < 10 || told[1] != size || told[len(told)-2] != size || told[0] >= size {
		t.Errorf("of %d bytes it told %v", size, told)
	}
}

// A bomb of zeros takes no room and stops at 512 MiB, one of ones at 256 MiB.
func TestCompressionBombsAreRefused(t *testing.T) {
	disktest.Need(t, "refusing compression bombs", "zstd")
	for name, test := range map[string]struct {
		fill byte
		size int
		want string
	}{
		"zeros": {0, 80 << 20, "as no disk image does"},
		"ones":  {0xff, 20 << 20, "that are not zero"},
	} {
		t.Run(name, func(t *testing.T) {
			one := packed(t, writeFile(t, filepath.Join(t.TempDir(), "fill"), bytes.Repeat([]byte{test.fill}, test.size)), disk.WrappingZstd)
			frame, err := os.ReadFile(one)
			if err != nil {
				t.Fatal(err)
			}
			bomb := writeFile(t, filepath.Join(t.TempDir(), "bomb"), bytes.Repeat(frame, 40))
			_, err = disk.Open(bomb)
			if !errors.Is(err, disk.ErrUnsafe) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want ErrUnsafe that says %q", err, test.want)
			}
		})
	}
}

func TestAppliancesThatHaveNoSingleDiskAreRefused(t *testing.T) {
	disktest.Need(t, "refusing odd OVAs", "qemu-img", "tar", "gzip")
	stream, _ := converted(t, content(seeded())[:1<<20], "vmdk -o subformat=streamOptimized")
	flat, _ := converted(t, content(seeded())[:1<<20], "vmdk -o subformat=monolithicFlat")
	tests := map[string]struct {
		path string
		want error
		says string
	}{
		"two disks":      {appliance(t, ovf("image.vmdk", "second.vmdk"), stream), disk.ErrUnsupported, `2 disks ("image.vmdk", "second.vmdk")`},
		"no disk":        {appliance(t, ovf(), stream), disk.ErrUnsupported, "names no disk"},
		"missing disk":   {appliance(t, ovf("other.vmdk"), stream), disk.ErrCorrupt, `"other.vmdk"`},
		"path":           {appliance(t, ovf("/etc/passwd"), stream), disk.ErrCorrupt, `"/etc/passwd", which is not in the archive`},
		"no XML":         {appliance(t, "hello", stream), disk.ErrCorrupt, "OVF descriptor"},
		"OVA in OVA":     {func() string { d := appliance(t, ovf("image.vmdk"), stream); return appliance(t, ovf("vm.ova"), d) }(), disk.ErrUnsupported, "there is ova again"},
		"extents beside": {appliance(t, ovf("image.vmdk"), flat, strings.TrimSuffix(flat, ".vmdk")+"-flat.vmdk"), disk.ErrUnsafe, `"image-flat.vmdk", which was not opened`},
		"no descriptor":  {tarOf(t, stream), disk.ErrUnsupported, "without an OVF descriptor"},
		"gzip in gzip":   {gzipTwice(t, stream), disk.ErrUnsupported, "there is gzip again"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := disk.Open(test.path)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %v that says %q", err, test.want, test.says)
			}
		})
	}
}

func tarOf(t *testing.T, file string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive")
	disktest.Run(t, "tar", "--format=ustar", "-cf", path, "-C", filepath.Dir(file), filepath.Base(file))
	return path
}

func gzipTwice(t *testing.T, file string) string {
	t.Helper()
	once, err := os.ReadFile(packed(t, file, disk.WrappingGzip))
	if err != nil {
		t.Fatal(err)
	}
	return packed(t, writeFile(t, filepath.Join(t.TempDir(), "once"), once), disk.WrappingGzip)
}
