package disktest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Formatted makes an image of content with qemu-img convert -O options, such as
// "vmdk -o subformat=streamOptimized", and returns the bytes of its file.
func Formatted(t testing.TB, content []byte, options string) []byte {
	t.Helper()
	Need(t, "reading images of this format", "qemu-img")
	raw, path := filepath.Join(t.TempDir(), "raw"), filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(raw, content, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"convert", "-f", "raw", "-O"}, strings.Fields(options)...)
	Run(t, "qemu-img", append(args, raw, path)...)
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// Disk is what the reader of a format opens.
type Disk interface {
	io.ReaderAt
	Size() int64
}

// Opener opens an image of size bytes.
type Opener func(r io.ReaderAt, size int64) (Disk, error)

// Hostile is an image with bytes that no writer of the format leaves there.
type Hostile struct {
	Name string
	// Edits are bytes by their offset; a negative one counts from the end.
	Edits map[int]string
	// Kind is that of the error, or of the one of reading the disk's start;
	// nil where the image is read in spite of the bytes.
	Kind error
	// Says is part of the message.
	Says string
}

// RefuseHostile opens the image with the edits of each row, mended by mend
// where the format has checksums.
func RefuseHostile(t *testing.T, image []byte, mend func(image []byte), open Opener, rows []Hostile) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.Name, func(t *testing.T) {
			edited := bytes.Clone(image)
			for offset, bytes := range row.Edits {
				if offset < 0 {
					offset += len(edited)
				}
				copy(edited[offset:], bytes)
			}
			if mend != nil {
				mend(edited)
			}
			err := openAndRead(edited, open)
			if row.Kind == nil {
				if err != nil {
					t.Errorf("got %v, want it to be read", err)
				}
				return
			}
			if !errors.Is(err, row.Kind) || !strings.Contains(err.Error(), row.Says) {
				t.Errorf("got %v, want %v that says %q", err, row.Kind, row.Says)
			}
		})
	}
}

func openAndRead(image []byte, open Opener) error {
	d, err := open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		return err
	}
	_, err = d.ReadAt(make([]byte, 1<<20), 0)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Fuzz opens edited and cut off images: it must end, within bounded memory, and
// without a panic. mend may set the checksums right, which the fuzzer cannot.
func Fuzz(f *testing.F, images [][]byte, mend func(image []byte), open Opener) {
	f.Helper()
	for i, image := range images {
		f.Add(uint8(i), uint32(len(image)), []byte{})
		f.Add(uint8(i), uint32(len(image)), []byte("\x00\x17\x3f\x00\x24\xff"))
	}
	f.Fuzz(func(t *testing.T, which uint8, length uint32, edits []byte) {
		edited := Edit(images[int(which)%len(images)], edits)
		edited = edited[:min(int(length), len(edited))]
		if mend != nil {
			mend(edited)
		}
		d, err := open(bytes.NewReader(edited), int64(len(edited)))
		if err != nil {
			known := errors.Is(err, diskerr.ErrCorrupt) || errors.Is(err, diskerr.ErrUnsupported) || errors.Is(err, diskerr.ErrUnsafe)
			if !known {
				t.Errorf("an error of no known kind: %v", err)
			}
			return
		}
		if c, ok := d.(io.Closer); ok {
			defer func() { _ = c.Close() }()
		}
		if d.Size() < 0 {
			t.Errorf("size %d", d.Size())
		}
		for _, off := range []int64{0, d.Size() / 2, d.Size() - 1<<20} {
			_, _ = io.Copy(io.Discard, io.NewSectionReader(d, max(off, 0), 1<<20))
		}
	})
}
