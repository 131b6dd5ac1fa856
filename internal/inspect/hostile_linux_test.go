package inspect

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// What a hostile image may cost at most: measured in a process of its own, whose
// runtime never gives back what it counts as taken from the system.
const (
	hostileMemory = 256 << 20
	hostileTime   = 20 * time.Second // far less on a machine that does nothing else
	hostileImage  = "OPENSTACK_READY_HOSTILE_IMAGE"
)

// hostile is an image with a header that promises too much, or bytes that
// become too many.
type hostile struct {
	name string
	says string // the part of the error that shows how far it was read
	make func(t *testing.T) string
}

func TestHostileImagesCostSecondsAnd256MB(t *testing.T) {
	if path := os.Getenv(hostileImage); path != "" {
		inspectHostile(t, path)
		return
	}
	program := withoutRaces(t)
	for _, row := range hostiles() {
		t.Run(row.name, func(t *testing.T) {
			path := row.make(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*hostileTime)
			defer cancel()
			cmd := exec.CommandContext(ctx, program, "-test.run=^TestHostileImagesCostSecondsAnd256MB$", "-test.v")
			cmd.Env = append(os.Environ(), hostileImage+"="+path, "TMPDIR="+t.TempDir())
			began := time.Now()
			out, err := cmd.CombinedOutput()
			took := time.Since(began)
			_, said, ok := strings.Cut(string(out), mark)
			var memory int64
			if _, scanErr := fmt.Sscan(said, &memory); err != nil || !ok || scanErr != nil {
				t.Fatalf("the inspection did not end well: %v, %v\n%s", err, scanErr, out[max(0, len(out)-3000):])
			}
			said, _, _ = strings.Cut(said, "\n")
			t.Logf("%.1f s, %s", took.Seconds(), said)
			if !strings.Contains(said, row.says) {
				t.Errorf("it says %q, want %q", said, row.says)
			}
			if memory > hostileMemory || took > hostileTime {
				t.Errorf("it cost %d MiB and %v, want at most %d MiB and %v", memory>>20, took, hostileMemory>>20, hostileTime)
			}
		})
	}
}

// withoutRaces is this test without the race detector, which makes everything
// some twenty times slower than it is for who inspects an image.
func withoutRaces(t *testing.T) string {
	t.Helper()
	info, ok := debug.ReadBuildInfo()
	if !ok || !slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return os.Args[0]
	}
	disktest.Need(t, "the cost of hostile images under the race detector", "go")
	program := filepath.Join(t.TempDir(), "inspect.test")
	disktest.Run(t, "go", "test", "-c", "-race=false", "-o", program, ".")
	return program
}

// inspectHostile prints the bytes that an inspection took, and its error.
func inspectHostile(t *testing.T, path string) {
	img, err := disk.Open(path)
	var initramfs string
	if err == nil {
		img.Problems()
		var result *Result
		if result, err = Image(t.Context(), img); err == nil {
			initramfs = saidOf(result, "/boot/initrd.img-6.1")
		}
		if closeErr := img.Close(); closeErr != nil {
			t.Error(closeErr)
		}
	}
	var taken runtime.MemStats
	runtime.ReadMemStats(&taken)
	said := strings.ReplaceAll(fmt.Sprint(err, " ", initramfs), "\n", "; ")
	fmt.Printf("%s%d bytes taken: %.500s\n", mark, taken.Sys, said)
}

// saidOf returns the evidence about a file.
func saidOf(result *Result, file string) string {
	var said []string
	for _, f := range result.Findings {
		for _, evidence := range f.Evidence {
			if strings.Contains(evidence, file) {
				said = append(said, evidence)
			}
		}
	}
	return strings.Join(said, "; ")
}

const (
	all32 = "\xff\xff\xff\xff"
	gib4  = "\x00\x00\x00\x00\x01\x00\x00\x00"
	most  = "\x7f" + all32 + "\xff\xff\xff" // the largest signed number, big endian
	mostL = "\xff\xff\xff" + all32 + "\x7f" // and little endian
)

func hostiles() []hostile {
	var rows []hostile
	add := func(name, says string, build func(t *testing.T) string) {
		rows = append(rows, hostile{name, says, build})
	}
	edited := func(name, says string, base func(t *testing.T) string, mend func(*os.File) error, edits map[int64]string) {
		add(name, says, func(t *testing.T) string { return edit(t, base(t), edits, mend) })
	}
	qcow2, vmdk, vdi, vhd, vhdx := image("qcow2"), image("vmdk"), image("vdi"), image("vpc"), image("vhdx")
	edited("qcow2 with an L1 table of 2^32 entries", "more than the format's limit", qcow2, nil, map[int64]string{36: all32})
	edited("qcow2 of 2^63 bytes with an L1 table of 2^32", "impossible virtual size", qcow2, nil, map[int64]string{24: most, 36: all32})
	edited("qcow2 with 2^32 snapshots", "no partition table", qcow2, nil, map[int64]string{60: all32})
	edited("qcow2 with a header of 4 GiB", "header_length is 4294967295", qcow2, nil, map[int64]string{100: all32})
	edited("VMDK with a descriptor of 1 GiB inside", "no partition table", vmdk, grow(2<<30), map[int64]string{36: "\x00\x00\x20\x00\x00\x00\x00\x00"})
	edited("VMDK of 2^63 sectors", "impossible capacity", vmdk, nil, map[int64]string{12: mostL})
	edited("VMDK with grain tables of 2^32", "impossible capacity", vmdk, nil, map[int64]string{12: mostL, 44: all32})
	edited("VDI of 2^32 blocks", "4294967295 blocks", vdi, nil, map[int64]string{0x170: mostL, 0x180: all32})
	edited("VHD with 2^32 blocks", "no partition table", vhd, mendVHD, map[int64]string{512 + 28: all32})
	edited("VHDX with regions of 4 GiB that hold each other", "a region of 4293918720 bytes", vhdx, mendVHDX, map[int64]string{
		192<<10 + 32: "\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\xf0\xff", 192<<10 + 64: "\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\xf0\xff",
		256<<10 + 32: "\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\xf0\xff", 256<<10 + 64: "\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\xf0\xff",
	})
	edited("VHDX with 2^32 regions", "4294967295 entries", vhdx, mendVHDX, map[int64]string{192<<10 + 8: all32, 256<<10 + 8: all32})
	edited("GPT of 2^32 entries", "partition 1", gptDisk, mendGPT, map[int64]string{512 + 80: all32})
	edited("GPT with entries of 4 GiB", "partition 1", gptDisk, mendGPT, map[int64]string{512 + 84: "\x00\x00\x00\x80"})
	edited("ext4 of 2^64 blocks", "impossible block count", extDisk, nil, map[int64]string{1024 + 4: all32, 1024 + 0x150: all32})
	edited("ext4 with 2^29 groups", "the whole disk: ext4", extDisk, grow(4<<40), map[int64]string{1024 + 4: all32, 1024 + 32: "\x08\x00\x00\x00"})
	edited("ext4 with 2^32 inodes in a group", "impossible block 134", extDisk, nil, map[int64]string{1024: all32, 1024 + 40: all32})
	edited("ext4 with blocks of 2^41 bytes", "impossible block size", extDisk, nil, map[int64]string{1024 + 24: "\x1f\x00\x00\x00"})
	edited("xfs with 2^32 groups", "4294967295 allocation groups", xfsDisk, nil, map[int64]string{88: all32})
	edited("xfs with blocks of 2^31 bytes", "impossible block size", xfsDisk, nil, map[int64]string{4: "\x80\x00\x00\x00", 120: "\x1f"})
	edited("xfs with a root of a B+tree that holds itself", "should be of 7", xfsDisk, deepXFS, nil)
	edited("btrfs with system chunks of 4 GiB", "4294967295 bytes of system chunks", btrfsDisk, mendBtrfs, map[int64]string{65536 + 0xa0: all32})
	edited("btrfs with nodes of 2^31 bytes", "impossible node size", btrfsDisk, mendBtrfs, map[int64]string{65536 + 0x94: "\x00\x00\x00\x80"})
	edited("btrfs with a system chunk of 65535 stripes", "65535 copies", btrfsDisk, mendBtrfs, map[int64]string{65536 + 0x32b + 17 + 44: "\xff\xff"})
	edited("btrfs with trees of 255 levels", "want 255", btrfsDisk, mendBtrfs, map[int64]string{65536 + 0xc6: "\xff\xff"})
	edited("btrfs whose chunk tree is its root tree", "no chunk has", btrfsDisk, loopBtrfs, nil)
	edited("LVM with metadata of 4 GiB", "4294967296 bytes are outside", groupDisk, mendLVM, map[int64]string{mib + 512 + 112: gib4, mib + 4096 + 32: gib4, mib + 4096 + 48: "\x00\xf0\xff\xff\x00\x00\x00\x00"})
	add("a VMDK descriptor of 1 GiB", "65533 extents", func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "disk.vmdk")
		write(t, path, 0, []byte("# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\n"+strings.Repeat("RW 1 FLAT \"x\" 0\n", 4<<20)), 1<<30)
		return path
	})
	for _, program := range []string{"gzip", "xz", "zstd"} {
		add("zeros packed by "+program, "no partition table", func(t *testing.T) string { return bomb(t, program, 300*mib) })
	}
	add("3 GiB of zeros packed by gzip", "no partition table", func(t *testing.T) string { return repeat(t, bomb(t, "gzip", 256*mib), 12) })
	for _, program := range []string{"xz", "zstd"} {
		add("32 GiB of zeros packed by "+program, "as no disk image does", func(t *testing.T) string { return repeat(t, bomb(t, program, 256*mib), 128) })
	}
	add("a guest whose files are of 1 GiB", "<nil>", func(t *testing.T) string { return hugeFiles(t, bomb(t, "gzip", 300*mib)) })
	for _, program := range []string{"gzip", "xz", "zstd", "lz4", "lzma"} {
		add("an initramfs that "+program+" makes 3 GiB of", "is packed more than 100 times", func(t *testing.T) string { return smallFiles(t, repeat(t, bomb(t, program, 256*mib), 12)) })
	}
	add("clusters of 2 MiB packed in 2 KiB", "<nil>", func(t *testing.T) string {
		disktest.Need(t, "the cost of packed clusters", "qemu-img")
		path := filepath.Join(t.TempDir(), "packed.qcow2")
		disktest.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "cluster_size=2M", hugeFiles(t, bomb(t, "gzip", mib)), path)
		return path
	})
	return rows
}

// image makes one with qemu-img.
func image(format string) func(t *testing.T) string {
	return func(t *testing.T) string {
		disktest.Need(t, "the cost of hostile images", "qemu-img")
		path := filepath.Join(t.TempDir(), "image")
		disktest.Run(t, "qemu-img", "create", "-q", "-f", format, path, "16M")
		return path
	}
}

func made(t *testing.T, size int64, program string, args ...string) string {
	t.Helper()
	disktest.Need(t, "the cost of hostile images", program)
	path := filepath.Join(t.TempDir(), "disk.raw")
	write(t, path, 0, nil, size)
	disktest.Run(t, program, append(args, path)...)
	return path
}

func extDisk(t *testing.T) string {
	return made(t, 16*mib, "mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum,64bit")
}

func xfsDisk(t *testing.T) string {
	return made(t, 320*mib, "mkfs.xfs", "-q", "-m", "crc=0")
}

func btrfsDisk(t *testing.T) string {
	return made(t, 128*mib, "mkfs.btrfs", "-q")
}

func gptDisk(t *testing.T) string {
	disktest.Need(t, "the cost of hostile images", "sfdisk")
	path := filepath.Join(t.TempDir(), "disk.raw")
	write(t, path, 0, nil, 16*mib)
	disktest.RunWith(t, "label: gpt\nstart=1MiB, size=8MiB, type=L\n", "sfdisk", "--quiet", "--no-tell-kernel", path)
	return path
}

func groupDisk(t *testing.T) string {
	path := gptDisk(t)
	content := disktest.VolumeGroup("vg", 1, disktest.Volume{Name: "root", Content: make([]byte, mib)})
	write(t, path, mib, content, 16*mib)
	return path
}

// edit writes bytes into a file and mends the checksums over them.
func edit(t *testing.T, path string, edits map[int64]string, mend func(*os.File) error) string {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	for at, content := range edits {
		if _, err := f.WriteAt([]byte(content), at); err != nil {
			t.Fatal(err)
		}
	}
	if mend != nil {
		if err := mend(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func grow(size int64) func(*os.File) error {
	return func(f *os.File) error { return f.Truncate(size) }
}

// summed reads a structure, sets the checksum in it to zero and to what sum
// says of it then.
func summed(f *os.File, at int64, length, field int, sum func(b []byte) []byte) error {
	b := make([]byte, length)
	if _, err := f.ReadAt(b, at); err != nil {
		return err
	}
	clear(b[field : field+4])
	_, err := f.WriteAt(sum(b), at+int64(field))
	return err
}

func mendVHD(f *os.File) error {
	return summed(f, 512, 1024, 36, func(b []byte) []byte {
		var sum uint32
		for _, c := range b {
			sum += uint32(c)
		}
		return binary.BigEndian.AppendUint32(nil, ^sum)
	})
}

func castagnoli(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(nil, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

func mendVHDX(f *os.File) error {
	if err := summed(f, 192<<10, 64<<10, 4, castagnoli); err != nil {
		return err
	}
	return summed(f, 256<<10, 64<<10, 4, castagnoli)
}

func mendGPT(f *os.File) error {
	return summed(f, 512, 92, 16, func(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) })
}

func mendBtrfs(f *os.File) error {
	return summed(f, 65536, 4096, 0, func(b []byte) []byte { return castagnoli(b[32:]) })
}

func loopBtrfs(f *os.File) error {
	root := make([]byte, 8)
	if _, err := f.ReadAt(root, 65536+0x50); err != nil {
		return err
	}
	if _, err := f.WriteAt(root, 65536+0x58); err != nil {
		return err
	}
	return mendBtrfs(f)
}

// mendLVM: the label and the header of the metadata area have a CRC of its own
// start value (LVM2, lib/misc/crc.c).
func mendLVM(f *os.File) error {
	sum := func(b []byte) []byte {
		const start = 0xf597a6cf
		return binary.LittleEndian.AppendUint32(nil, ^crc32.Update(^uint32(start), crc32.IEEETable, b))
	}
	if err := summed(f, mib+512, 512, 16, func(b []byte) []byte { return sum(b[20:]) }); err != nil {
		return err
	}
	return summed(f, mib+4096, 512, 0, func(b []byte) []byte { return sum(b[4:]) })
}

// deepXFS makes the root folder a B+tree of the greatest depth whose only block
// points to itself (XFS Algorithms & Data Structures, "Data Fork").
func deepXFS(f *os.File) error {
	super := make([]byte, 128)
	if _, err := f.ReadAt(super, 0); err != nil {
		return err
	}
	blockSize, inodeSize := int64(binary.BigEndian.Uint32(super[4:])), int64(binary.BigEndian.Uint16(super[104:]))
	const block, btree = 5000, 3
	node := append([]byte("BMAP\x00\x08\x00\x01"), bytes.Repeat([]byte{0xff}, 16)...)
	node = append(node, make([]byte, blockSize-int64(len(node)))...)
	binary.BigEndian.PutUint64(node[24+(blockSize-24)/16*8:], block)
	root := make([]byte, inodeSize-100)
	copy(root, "\x00\x09\x00\x01")
	binary.BigEndian.PutUint64(root[4+(len(root)-4)/16*8:], block)
	inode := int64(binary.BigEndian.Uint64(super[56:])) * inodeSize
	count := binary.BigEndian.AppendUint64(nil, 2_000_000) // pieces and bytes
	for at, content := range map[int64][]byte{
		block * blockSize: node, inode + 5: {btree}, inode + 56: count, inode + 76: count[4:], inode + 82: {0}, inode + 100: root,
	} {
		if _, err := f.WriteAt(content, at); err != nil {
			return err
		}
	}
	return nil
}

// bomb packs zeros.
func bomb(t *testing.T, program string, size int64) string {
	t.Helper()
	disktest.Need(t, "the cost of what unpacks to much", program)
	path := filepath.Join(t.TempDir(), "zeros")
	write(t, path, 0, nil, size)
	out, err := os.Create(path + ".packed")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-1", "-c", path}
	if program == "lz4" {
		args = append([]string{"-l"}, args...) // the form that the kernel reads
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path + ".packed"
}

// repeat appends a file to itself: what unpacks it goes on with the next.
func repeat(t *testing.T, path string, times int) string {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	repeated := path + ".repeated"
	if err := os.WriteFile(repeated, bytes.Repeat(packed, times), 0o644); err != nil {
		t.Fatal(err)
	}
	return repeated
}

// hugeFiles is a guest whose small files are huge, with an initramfs.
func hugeFiles(t *testing.T, initramfs string) string {
	return guestWith(t, initramfs, 1<<30,
		"etc/passwd", "etc/shadow", "etc/cloud/cloud.cfg", "etc/ssh/sshd_config", "var/lib/dpkg/status", "var/lib/rpm/rpmdb.sqlite",
		"boot/grub/grub.cfg", "boot/config-6.1", "boot/vmlinuz-6.1", "lib/modules/6.1/modules.dep", "lib/modules/6.1/modules.builtin", "sbin/init")
}

// smallFiles is a guest that has the drivers, so that its initramfs counts.
func smallFiles(t *testing.T, initramfs string) string {
	return guestWith(t, initramfs, 4,
		"boot/vmlinuz-6.1", "lib/modules/6.1/modules.dep", "lib/modules/6.1/modules.builtin", "sbin/init")
}

// guestWith is a guest with an initramfs and files of the same size.
func guestWith(t *testing.T, initramfs string, size int64, names ...string) string {
	t.Helper()
	disktest.Need(t, "the cost of hostile images", "mke2fs")
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, 0, []byte("a=b\n"), size)
	}
	if err := os.MkdirAll(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "etc/os-release"), 0, []byte("ID=debian\nVERSION_ID=12\n"), 24)
	if err := os.Rename(initramfs, filepath.Join(dir, "boot/initrd.img-6.1")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "disk.raw")
	write(t, path, 0, nil, 64*mib)
	disktest.Run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-d", dir, path)
	return path
}
