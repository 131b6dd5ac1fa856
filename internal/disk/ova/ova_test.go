package ova_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/ova"
)

type entry struct {
	header  tar.Header
	content string
}

func file(name, content string) entry {
	return entry{tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644, Format: tar.FormatUSTAR}, content}
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func ovf(files, disks string) string {
	return `<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>` +
		files + `</References><DiskSection>` + disks + `</DiskSection></Envelope>`
}

const (
	oneFile = `<File ovf:id="f" ovf:href="d.vmdk"/>`
	oneDisk = `<Disk ovf:diskId="d" ovf:fileRef="f"/>`
)

func TestFindsTheDisk(t *testing.T) {
	long := strings.Repeat("long/", 40) + "d.vmdk"
	pax := entry{tar.Header{Name: "d.vmdk", Size: 4, Mode: 0o644, Format: tar.FormatPAX, PAXRecords: map[string]string{"X.note": "n"}}, "disk"}
	link := entry{tar.Header{Name: "d.vmdk", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""}
	many := make([]entry, 1001)
	for i := range many {
		many[i] = file(fmt.Sprint(i), "")
	}
	tests := []struct {
		name    string
		archive []byte
		kind    error
		says    string
	}{
		{"one disk", archive(t, file("vm.ovf", ovf(oneFile, oneDisk)), file("vm.mf", "SHA256"), file("d.vmdk", "disk")), nil, ""},
		{"before its descriptor", archive(t, file("d.vmdk", "disk"), file("VM.OVF", ovf(oneFile, oneDisk))), nil, ""},
		{"extended header", archive(t, file("vm.ovf", ovf(oneFile, oneDisk)), pax), nil, ""},
		{"long name", archive(t, file("vm.ovf", ovf(`<File ovf:id="f" ovf:href="`+long+`"/>`, oneDisk)), entry{tar.Header{Name: long, Size: 4, Format: tar.FormatGNU}, "disk"}), nil, ""},
		{"beside an ISO", archive(t, file("vm.ovf", ovf(oneFile+`<File ovf:id="i" ovf:href="i.iso"/>`, oneDisk)), file("i.iso", "iso"), file("d.vmdk", "disk")), nil, ""},
		{"empty disk beside", archive(t, file("vm.ovf", ovf(oneFile, oneDisk+`<Disk ovf:diskId="e"/>`)), file("d.vmdk", "disk")), nil, ""},
		{"link", archive(t, file("vm.ovf", ovf(oneFile, oneDisk)), link), diskerr.ErrCorrupt, "not in the archive"},
		{"in pieces", archive(t, file("vm.ovf", ovf(`<File ovf:id="f" ovf:href="d.vmdk" ovf:chunkSize="4"/>`, oneDisk)), file("d.vmdk", "disk")), diskerr.ErrUnsupported, "in several pieces"},
		{"difference", archive(t, file("vm.ovf", ovf(oneFile, `<Disk ovf:diskId="d" ovf:fileRef="f" ovf:parentRef="p"/>`)), file("d.vmdk", "disk")), diskerr.ErrUnsafe, "difference to another"},
		{"many members", archive(t, many...), diskerr.ErrUnsupported, "more than 1000 members"},
		{"huge descriptor", archive(t, file("vm.ovf", ovf(oneFile, oneDisk)+strings.Repeat(" ", 4<<20)), file("d.vmdk", "disk")), diskerr.ErrCorrupt, "4194304 at most"},
		{"cut off", archive(t, file("vm.ovf", ovf(oneFile, oneDisk)), file("d.vmdk", "disk"))[:2*512+512+2], diskerr.ErrCorrupt, "cut off at 1538 bytes"},
		{"no descriptor", archive(t, file("d.vmdk", "disk")), diskerr.ErrUnsupported, "without an OVF descriptor"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, err := ova.Find(bytes.NewReader(test.archive), int64(len(test.archive)))
			if test.kind != nil {
				if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v, want %v that says %q", err, test.kind, test.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(d); err != nil || string(got) != "disk" {
				t.Errorf("got %q, %v, want the disk", got, err)
			}
		})
	}
}

func FuzzFind(f *testing.F) {
	image := archive(f, file("vm.ovf", ovf(oneFile, oneDisk)), file("d.vmdk", "disk"))
	disktest.Fuzz(f, [][]byte{image}, nil, func(r io.ReaderAt, size int64) (disktest.Disk, error) { return ova.Find(r, size) })
}
