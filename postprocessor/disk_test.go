package postprocessor

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
)

// rawDisk writes the smallest file that counts as a raw disk: one sector with
// an MBR that has one partition.
func rawDisk(t *testing.T, path string) string {
	t.Helper()
	disk := make([]byte, 2<<20)
	copy(disk[446:], []byte{0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0})
	disk[510], disk[511] = 0x55, 0xAA
	writeFile(t, path, disk)
	return path
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// gzipped compresses a file beside itself.
func gzipped(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path+".gz", b.Bytes())
	return path + ".gz"
}

func TestOpeningPackedDiskTellsOfUnpacking(t *testing.T) {
	path := gzipped(t, rawDisk(t, filepath.Join(t.TempDir(), "disk")))
	var said bytes.Buffer
	image, err := openDisk(t.Context(), &packersdk.BasicUi{Writer: &said, ErrorWriter: &said}, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := image.Close(); err != nil {
		t.Error(err)
	}
	if want := "Unpacking " + path + ", compressed with gzip"; !strings.Contains(said.String(), want) {
		t.Errorf("said %q, want %q", said.String(), want)
	}
}

func TestPickDisk(t *testing.T) {
	dir := t.TempDir()
	first := rawDisk(t, filepath.Join(dir, "packer-debian"))
	second := rawDisk(t, filepath.Join(dir, "packer-debian-1"))
	notes := filepath.Join(dir, "disk.qcow2")
	writeFile(t, notes, []byte("notes, whatever the suffix says"))
	packed := gzipped(t, first)
	log := gzipped(t, notes)
	cut := filepath.Join(dir, "cut.gz")
	writeFile(t, cut, []byte("\x1f\x8b\x08 and nothing to unpack"))
	cases := map[string]struct {
		files  []string
		state  map[string]any
		wanted string
		want   string
		err    string
	}{
		"the only file that is a disk by content":   {[]string{notes, first}, nil, "", first, ""},
		"the builder's first disk":                  {[]string{second, first}, map[string]any{"diskName": "packer-debian"}, "", first, ""},
		"a builder's name that is not there":        {[]string{first}, map[string]any{"diskName": "gone"}, "", first, ""},
		"a builder's name of another kind":          {[]string{first}, map[string]any{"diskName": 7}, "", first, ""},
		"the template's choice":                     {[]string{first, second}, map[string]any{"diskName": "packer-debian"}, "packer-debian-1", second, ""},
		"the template's choice is not there":        {[]string{first}, nil, "x.raw", "", `no file named "x.raw"`},
		"two disks and nobody chooses":              {[]string{first, second}, nil, "", "", "disk_file"},
		"no disk":                                   {[]string{notes}, nil, "", "", notes},
		"the only compressed file is not unpacked":  {[]string{notes, cut}, nil, "", cut, ""},
		"a compressed log beside the disk":          {[]string{log, first}, nil, "", first, ""},
		"a compressed disk beside another":          {[]string{packed, first}, nil, "", "", "disk_file"},
		"a compressed disk beside a compressed log": {[]string{packed, log}, nil, "", packed, ""},
		"no files": {[]string{}, nil, "", "", "has no files"},
		"a file that is gone is named, not a reason": {[]string{filepath.Join(dir, "gone"), first}, nil, "", first, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := pickDisk(&packersdk.MockArtifact{FilesValue: c.files, StateValues: c.state}, c.wanted)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error = %v, want one with %q", err, c.err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("disk = %q, %v, want %q", got, err, c.want)
			}
		})
	}
}
