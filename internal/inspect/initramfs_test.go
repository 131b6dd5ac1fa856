package inspect

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// cpioOf is an archive in the format newc with small files (cpio(5)).
func cpioOf(names ...string) string {
	var b strings.Builder
	for i, name := range append(names, "TRAILER!!!") {
		content := "content"[:i%7]
		if name == "TRAILER!!!" {
			content = ""
		}
		fmt.Fprintf(&b, "070701%08X%08X%s%08X%s%08X%08X", i, 0o100644, strings.Repeat("0", 32), len(content), strings.Repeat("0", 32), len(name)+1, 0)
		b.WriteString(name + "\x00")
		pad(&b)
		b.WriteString(content)
		pad(&b)
	}
	return b.String()
}

func pad(b *strings.Builder) { b.WriteString("\x00\x00\x00"[:-b.Len()&3]) }

// namesIn lists the files of an initramfs.
func namesIn(image string) ([]string, error) {
	var names []string
	err := readInitramfs(context.Background(), strings.NewReader(image), &budget{most: maxEarly}, func(m member) bool {
		names = append(names, m.name)
		return true
	})
	return names, err
}

func moduleFiles(names ...string) []string {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = "usr/lib/modules/x/kernel/" + name + ".ko"
	}
	return paths
}

// kinds are what squeezed knows.
func kinds() []string { return []string{"none", "gzip", "zstd", "xz", "lz4", "lz4-legacy", "lzma"} }

// squeezed returns data as one of the kernel's compressions has it.
func squeezed(t *testing.T, kind, data string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch kind {
	case "none":
		return data
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	case "xz":
		w, err = xz.WriterConfig{BlockSize: 1000, CheckSum: xz.CRC32}.NewWriter(&b)
	case "lzma":
		w, err = lzma.NewWriter(&b)
	case "lz4":
		w = lz4.NewWriter(&b)
	case "lz4-legacy":
		l := lz4.NewWriter(&b)
		err = l.Apply(lz4.LegacyOption(true))
		w = l
	}
	if err == nil {
		_, err = io.WriteString(w, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestInitramfsNames(t *testing.T) {
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("usr/lib/file-%d", i))
	}
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			image := cpioOf("early") + strings.Repeat("\x00", 512) + cpioOf("second") + squeezed(t, kind, cpioOf(many...))
			got, err := namesIn(image)
			if want := append([]string{"early", "second"}, many...); err != nil || !slices.Equal(got, want) {
				t.Errorf("got %d names, %v; want %d", len(got), err, len(want))
			}
		})
	}
}

// TestInitramfsInSeveralPieces: the kernel unpacks one archive after the other,
// each compressed in its own way or not at all.
func TestInitramfsInSeveralPieces(t *testing.T) {
	for _, first := range kinds() {
		if first == "lz4" {
			continue // the kernel does not read frames
		}
		for _, between := range []int{0, 1, 4, 511} {
			if first == "lz4-legacy" && between == 0 {
				continue // to the kernel what follows is the length of a chunk
			}
			image := cpioOf("early") + squeezed(t, first, cpioOf("a", "b")) + strings.Repeat("\x00", between) +
				squeezed(t, "gzip", cpioOf("c")) + strings.Repeat("\x00", between) + squeezed(t, first, cpioOf("d")) + strings.Repeat("\x00", between)
			got, err := namesIn(image)
			if want := []string{"early", "a", "b", "c", "d"}; err != nil || !slices.Equal(got, want) {
				t.Errorf("%s and gzip, %d zeros between: got %q, %v; want %q", first, between, got, err, want)
			}
		}
	}
}

func TestContentOfAMemberCanBeRead(t *testing.T) {
	for _, much := range []int64{0, 2, 100} {
		var got []string
		err := readInitramfs(context.Background(), strings.NewReader(squeezed(t, "zstd", cpioOf("a", "b", "c", "d", "e"))), &budget{most: maxEarly}, func(m member) bool {
			b, err := io.ReadAll(io.LimitReader(m.content, much))
			got = append(got, m.name+"="+string(b))
			return err == nil
		})
		want := map[int64]string{0: "a= b= c= d= e=", 2: "a= b=c c=co d=co e=co", 100: "a= b=c c=co d=con e=cont"}[much]
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("of %d bytes each: got %q, %v; want %s", much, got, err, want)
		}
	}
}

func TestInitramfsStopsWhenAllWasSeen(t *testing.T) {
	image := cpioOf("a", "b", "c")
	var got []string
	err := readInitramfs(context.Background(), strings.NewReader(image[:300]), &budget{most: maxEarly}, func(m member) bool {
		got = append(got, m.name)
		return m.name != "b"
	})
	if err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDamagedInitramfsIsAnError(t *testing.T) {
	whole := cpioOf("a", "b")
	tests := map[string]string{
		"no trailer":                whole[:len(whole)-130],
		"bad magic":                 whole[:112] + "070799" + whole[118:],
		"bad number":                whole[:54] + "zzzzzzzz" + whole[62:],
		"long name":                 whole[:94] + "FFFFFFFF" + whole[102:],
		"compressed twice":          squeezed(t, "gzip", squeezed(t, "gzip", whole)),
		"cut gzip":                  squeezed(t, "gzip", whole)[:30],
		"cut xz":                    squeezed(t, "xz", whole)[:30],
		"xz with other filters":     "\xfd7zXZ\x00\x00\x01\x69\x22\xde\x36\x02\x01\x04\x01\x00\x00\x00\x00",
		"xz with 4 GiB of window":   "\xfd7zXZ\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01\x28\x00\x00\x00\x00",
		"LZO":                       "\x89LZO\x00\x0d\x0a\x1a\x0a",
		"lzma with 4 GiB of window": "\x5d\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00",
		"unknown":                   "\x01\x02\x03\x04\x05\x06\x07",
		"short":                     "\x1f\x8b",
	}
	for name, image := range tests {
		if _, err := namesIn(image); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestInitramfsIsBounded(t *testing.T) {
	spent := &budget{most: 1000}
	zeros := &limited{r: endless{}, count: &spent.packed, budget: spent}
	if n, err := io.Copy(io.Discard, zeros); n != 1000 || !errors.Is(err, errUnpacked) {
		t.Errorf("read %d bytes, %v; want 1000 and %v", n, err, errUnpacked)
	}
	for kind, image := range map[string]string{
		"packed":   cpioOf("a", "b"),
		"unpacked": squeezed(t, "zstd", cpioOf(strings.Split(strings.Repeat("a ", 200), " ")...)),
	} {
		err := readInitramfs(context.Background(), strings.NewReader(image+strings.Repeat("\x00", 500)), &budget{most: 500}, func(member) bool { return true })
		if !errors.Is(err, errUnpacked) {
			t.Errorf("of an initramfs that is too large %s: %v", kind, err)
		}
	}
	l := &lister{ctx: context.Background(), visit: func(member) bool { return true }, members: maxMembers}
	if err := l.member(member{name: "x"}); !errors.Is(err, errMembers) {
		t.Errorf("one file too many: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l = &lister{ctx: ctx, visit: func(member) bool { return true }, members: 1023}
	if err := l.member(member{name: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestInitramfsOfTheRealCpio: files, folders, links to files and to nothing, in
// two archives as microcode comes before the rest.
func TestInitramfsOfTheRealCpio(t *testing.T) {
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("needs cpio (Debian package cpio): an initramfs that it made is not read")
	}
	early, main := t.TempDir(), t.TempDir()
	for _, step := range []error{
		os.MkdirAll(early+"/kernel/x86/microcode", 0o755), os.WriteFile(early+"/kernel/x86/microcode/AuthenticAMD.bin", make([]byte, 5001), 0o600),
		os.MkdirAll(main+"/usr/lib/modules", 0o755), os.WriteFile(main+"/usr/lib/modules/virtio_blk.ko", make([]byte, 70001), 0o600),
		os.Symlink("usr/lib", main+"/lib"), os.Symlink("nowhere", main+"/x"), os.Link(main+"/usr/lib/modules/virtio_blk.ko", main+"/usr/lib/modules/virtio_net.ko"),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	image := ""
	for _, dir := range []string{early, main} {
		cmd := exec.Command("sh", "-c", "find . | LC_ALL=C sort | cpio --quiet -o -H newc")
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		image += string(out)
	}
	got, err := namesIn(image)
	want := []string{
		".", "kernel", "kernel/x86", "kernel/x86/microcode", "kernel/x86/microcode/AuthenticAMD.bin",
		".", "lib", "usr", "usr/lib", "usr/lib/modules", "usr/lib/modules/virtio_blk.ko", "usr/lib/modules/virtio_net.ko", "x",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestInitramfsOfTheRealTools(t *testing.T) {
	names := append(moduleFiles("virtio_blk", "virtio_net"), "init")
	for tool, args := range map[string][]string{
		"gzip": {"-n"}, "bzip2": nil, "zstd": {"-q", "-19"}, "xz": {"--check=crc32", "--lzma2=dict=1MiB"}, "lz4": {"-l"}, "lzma": nil,
	} {
		t.Run(tool, func(t *testing.T) {
			if _, err := exec.LookPath(tool); err != nil {
				t.Skipf("needs %s: an initramfs that %s has compressed is not tested", tool, tool)
			}
			cmd := exec.Command(tool, append(args, "-c")...)
			cmd.Stdin = strings.NewReader(cpioOf(names...))
			image, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got, err := namesIn(string(image))
			if err != nil || !slices.Equal(got, names) {
				t.Errorf("got %q, %v; want %q", got, err, names)
			}
		})
	}
}

func TestCutInitramfsIsAnError(t *testing.T) {
	whole := cpioOf("a", "b", strings.Repeat("c", 200))
	for _, kind := range kinds() {
		image := squeezed(t, kind, whole)
		for n := 1; n < len(image); n++ {
			names, err := namesIn(image[:n])
			if err == nil && len(names) < 3 {
				t.Errorf("%s cut to %d of %d bytes: no error, and only %d files", kind, n, len(image), len(names))
			}
		}
	}
}

func FuzzInitramfsNames(f *testing.F) {
	f.Add([]byte(cpioOf("a", "b")))
	f.Add([]byte("\xfd7zXZ\x00\x00\x01\x69\x22\xde\x36\x02\x00\x21\x01\x16\x00\x00\x00\x00"))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0})
	f.Add([]byte{0x02, 0x21, 0x4c, 0x18, 4, 0, 0, 0, 1, 2, 3, 4})
	f.Add([]byte("\x5d\x00\x00\x10\x00\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"))
	f.Fuzz(func(_ *testing.T, image []byte) {
		_, _ = namesIn(string(image))
	})
}
