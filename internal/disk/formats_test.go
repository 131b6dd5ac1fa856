package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// subformats are those that qemu-img can make beside qcow2, and the format that
// Glance has for each.
var subformats = []struct {
	options string
	want    disk.Format
}{
	{"vmdk", disk.FormatVMDK},
	{"vmdk -o subformat=monolithicSparse,zeroed_grain=on", disk.FormatVMDK},
	{"vmdk -o compat6", disk.FormatVMDK},
	{"vmdk -o subformat=streamOptimized", disk.FormatVMDK},
	{"vmdk -o subformat=monolithicFlat", disk.FormatVMDK},
	{"vmdk -o subformat=twoGbMaxExtentFlat", disk.FormatVMDK},
	{"vmdk -o subformat=twoGbMaxExtentSparse", disk.FormatVMDK},
	{"vpc", disk.FormatVHD},
	{"vpc -o force_size=on", disk.FormatVHD},
	{"vpc -o subformat=fixed", disk.FormatVHD},
	{"vpc -o subformat=fixed,force_size=on", disk.FormatVHD},
	{"vhdx", disk.FormatVHDX},
	{"vhdx -o block_size=1M", disk.FormatVHDX},
	{"vhdx -o block_size=2M,block_state_zero=off", disk.FormatVHDX},
	{"vhdx -o subformat=fixed", disk.FormatVHDX},
	{"vdi", disk.FormatVDI},
	{"vdi -o static=on", disk.FormatVDI},
	{"raw", disk.FormatRaw},
}

// qemuFormat is the name that qemu-img has for the format of options.
func qemuFormat(options string) string { return strings.Fields(options)[0] }

// converted makes an image with qemu-img, and returns its path and the bytes
// that qemu-img reads from it.
func converted(t *testing.T, content []byte, options string) (string, []byte) {
	t.Helper()
	dir := t.TempDir()
	raw, path := writeFile(t, filepath.Join(dir, "raw"), content), filepath.Join(dir, "image.vmdk")
	args := append([]string{"convert", "-f", "raw", "-O"}, strings.Fields(options)...)
	disktest.Run(t, "qemu-img", append(args, raw, path)...)
	return path, qemuReads(t, path, qemuFormat(options))
}

// qemuReads are the bytes of the disk as qemu-img reads them.
func qemuReads(t *testing.T, path, format string) []byte {
	t.Helper()
	back := filepath.Join(t.TempDir(), "back")
	disktest.Run(t, "qemu-img", "convert", "-f", format, "-O", "raw", path, back)
	data, err := os.ReadFile(back)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEverySubformatOfQEMUReadsTheSameBytes(t *testing.T) {
	disktest.Need(t, "reading VMDK, VHD, VHDX and VDI images", "qemu-img")
	data := content(seeded())
	for _, test := range subformats {
		t.Run(strings.ReplaceAll(test.options, " ", ""), func(t *testing.T) {
			path, want := converted(t, data, test.options)
			if !bytes.Equal(want[:len(data)], data) {
				t.Fatal("qemu-img itself does not read what it was given")
			}
			image := open(t, path)
			if got := image.Info().Format; got != test.want {
				t.Errorf("format: got %s, want %s", got, test.want)
			}
			sameBytes(t, image, want)
		})
	}
}

func TestSubformatsWrittenInPlaceReadTheSameBytes(t *testing.T) {
	disktest.Need(t, "reading images that were written to", "qemu-img", "qemu-io")
	for _, options := range []string{
		"vmdk", "vmdk -o zeroed_grain=on", "vmdk -o subformat=twoGbMaxExtentSparse", "vmdk -o subformat=monolithicFlat",
		"vpc -o force_size=on", "vpc", "vhdx -o block_size=1M", "vdi",
	} {
		t.Run(strings.ReplaceAll(options, " ", ""), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image.vmdk")
			args := append([]string{"create", "-q", "-f"}, strings.Fields(options)...)
			disktest.Run(t, "qemu-img", append(args, path, fmt.Sprint(10<<20+512))...)
			args = []string{"-f", qemuFormat(options)}
			for _, command := range written {
				if !strings.Contains(command, "-c ") {
					args = append(args, "-c", command)
				}
			}
			disktest.Run(t, "qemu-io", append(args, path)...)
			sameBytes(t, open(t, path), qemuReads(t, path, qemuFormat(options)))
		})
	}
}

// A disk of 3 GiB has several grain directories, extents and BAT entries that
// stand far apart.
func TestLargeSparseDisksReadTheSameBytes(t *testing.T) {
	disktest.Need(t, "reading large sparse images", "qemu-img", "qemu-io")
	const size = 3<<30 + 1<<20
	for _, options := range []string{
		"vmdk", "vmdk -o subformat=twoGbMaxExtentSparse", "vmdk -o subformat=twoGbMaxExtentFlat",
		"vpc -o force_size=on", "vhdx -o block_size=1M", "vhdx -o block_size=32M", "vdi",
	} {
		t.Run(strings.ReplaceAll(options, " ", ""), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image.vmdk")
			args := append([]string{"create", "-q", "-f"}, strings.Fields(options)...)
			disktest.Run(t, "qemu-img", append(args, path, fmt.Sprint(size))...)
			offsets := []int64{0, 1<<30 - 512, 2<<30 - 1024, 2 << 30, size - 1024}
			args = []string{"-f", qemuFormat(options)}
			for i, off := range offsets {
				args = append(args, "-c", fmt.Sprintf("write -P %d %d 1024", i+1, off))
			}
			disktest.Run(t, "qemu-io", append(args, path)...)
			image := open(t, path)
			if image.Size() != size {
				t.Errorf("size: got %d, want %d", image.Size(), int64(size))
			}
			got := make([]byte, 1024)
			for i, off := range offsets {
				want := bytes.Repeat([]byte{byte(i + 1)}, 1024)
				if _, err := image.ReadAt(got, off); err != nil || !bytes.Equal(got, want) {
					t.Errorf("offset %d: wrong content (%v)", off, err)
				}
			}
			if _, err := image.ReadAt(got, 1<<29); err != nil || !bytes.Equal(got, make([]byte, 1024)) {
				t.Errorf("offset %d: not empty (%v)", 1<<29, err)
			}
		})
	}
}

// A fixed VHD that is cut off has lost its footer, and is a raw disk; a raw one
// has nothing that tells its size.
func TestTruncatedSubformatIsRefusedOrWhole(t *testing.T) {
	disktest.Need(t, "refusing truncated images", "qemu-img")
	for _, options := range []string{
		"vmdk", "vmdk -o subformat=streamOptimized", "vpc -o force_size=on", "vhdx -o block_size=1M", "vhdx -o subformat=fixed", "vdi", "vdi -o static=on",
	} {
		t.Run(strings.ReplaceAll(options, " ", ""), func(t *testing.T) {
			path, want := converted(t, content(seeded())[:3<<20], options)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, length := range cuts(len(whole)) {
				refusedOrWhole(t, whole[:max(length, 512)], want)
			}
		})
	}
}

// Bytes that were changed at random are refused, or read without a panic.
func TestDamagedSubformatEndsInAnError(t *testing.T) {
	disktest.Need(t, "reading damaged images", "qemu-img")
	for _, test := range subformats {
		t.Run(strings.ReplaceAll(test.options, " ", ""), func(t *testing.T) {
			path, _ := converted(t, content(seeded())[:1<<20], test.options)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for seed := range uint64(60) {
				edits := make([]byte, 30)
				r := rand.New(rand.NewPCG(seed, 3))
				for i := range edits {
					edits[i] = byte(r.Uint32())
				}
				readsOrRefuses(t, disktest.Edit(whole, edits))
			}
		})
	}
}

func readsOrRefuses(t *testing.T, file []byte) {
	t.Helper()
	image, err := disk.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		if !errors.Is(err, disk.ErrCorrupt) && !errors.Is(err, disk.ErrUnsupported) && !errors.Is(err, disk.ErrUnsafe) {
			t.Errorf("got %v, want an error of a known kind", err)
		}
		return
	}
	buffer := make([]byte, 1<<20)
	if _, err := image.ReadAt(buffer, 0); err != nil && image.Size() >= int64(len(buffer)) && !errors.Is(err, disk.ErrCorrupt) {
		t.Errorf("reading: got %v, want ErrCorrupt", err)
	}
}

// What a descriptor can have opened follows from its own name, and lies beside
// it as a regular file.
func TestFilesThatADescriptorNamesAreNotFollowed(t *testing.T) {
	disktest.Need(t, "refusing VMDK images that name other files", "qemu-img")
	tests := []struct {
		name string
		// spoil changes the folder with image.vmdk and image-flat.vmdk.
		spoil func(t *testing.T, dir string)
		kind  error
		says  string
	}{
		{"none", func(*testing.T, string) {}, nil, ""},
		{"link", func(t *testing.T, dir string) {
			t.Helper()
			must(t, os.Rename(filepath.Join(dir, "image-flat.vmdk"), filepath.Join(dir, "secret")))
			must(t, os.Symlink("secret", filepath.Join(dir, "image-flat.vmdk")))
		}, disk.ErrUnsafe, "no regular file, but L"},
		{"folder", func(t *testing.T, dir string) {
			t.Helper()
			must(t, os.Remove(filepath.Join(dir, "image-flat.vmdk")))
			must(t, os.Mkdir(filepath.Join(dir, "image-flat.vmdk"), 0o700))
		}, disk.ErrUnsafe, "no regular file, but d"},
		{"missing", func(t *testing.T, dir string) {
			t.Helper()
			must(t, os.Remove(filepath.Join(dir, "image-flat.vmdk")))
		}, os.ErrNotExist, "image-flat.vmdk"},
		{"file beside", names("secret"), disk.ErrUnsafe, `"secret" is not named after the image`},
		{"absolute path", names("/etc/passwd"), disk.ErrUnsafe, `"/etc/passwd" is not named after the image`},
		{"path up", names("../image-flat.vmdk"), disk.ErrUnsafe, "is not named after the image"},
		{"longer name", names("image-flat.vmdk.key"), disk.ErrUnsafe, "is not named after the image"},
		{"extent of another size", func(t *testing.T, dir string) {
			t.Helper()
			must(t, os.WriteFile(filepath.Join(dir, "image-flat.vmdk"), make([]byte, 512), 0o600))
		}, disk.ErrCorrupt, "cut off at 512 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path, _ := converted(t, content(seeded())[:1<<20], "vmdk -o subformat=monolithicFlat")
			test.spoil(t, filepath.Dir(path))
			image, err := disk.Open(path)
			if test.kind == nil {
				must(t, err)
				must(t, image.Close())
				return
			}
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %v that says %q", err, test.kind, test.says)
			}
		})
	}
}

// names lets the descriptor name another file.
func names(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(dir, "secret"), make([]byte, 1<<20), 0o600))
		path := filepath.Join(dir, "image.vmdk")
		text, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path, bytes.ReplaceAll(text, []byte(`"image-flat.vmdk"`), []byte(strconv.Quote(name))), 0o600))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Nova looks at a disk again after it has converted it to raw.
func TestADiskThatIsAnImageItselfIsAProblem(t *testing.T) {
	disktest.Need(t, "disks that are images themselves", "qemu-img")
	for inner, want := range map[string]string{"raw": "", "qcow2": "the format qcow2", "vmdk": "the format vmdk", "vdi": "the format vdi"} {
		t.Run(inner, func(t *testing.T) {
			file := disktest.Formatted(t, content(seeded())[:1<<20], inner)
			path, _ := converted(t, append(file, make([]byte, -len(file)&511)...), "qcow2")
			image := open(t, path)
			for _, problems := range [][]string{image.Problems(), image.ProblemsAsRaw()} {
				if got := strings.Join(problems, "\n"); !strings.Contains(got, want) || got != "" && want == "" {
					t.Errorf("got %q, want it to say %q", got, want)
				}
			}
		})
	}
}
