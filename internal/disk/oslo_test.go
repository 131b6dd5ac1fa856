package disk_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

// inspector asks for each line of its input, "disk_format path", what Glance's
// set_data would ask of oslo.utils: does one format match, is it the one, does
// it pass its checks? Where oslo.utils is older than 7.3 it asks the copy that
// Glance had before, which knows no boot records, footers and descriptor files.
const inspector = `
import json, logging, sys
logging.disable(logging.CRITICAL)
try:
    from oslo_utils.imageutils import format_inspector as peer
except ImportError:
    from glance.common import format_inspector as peer

def whole(disk_format, path):
    with open(path, 'rb') as f:
        wrapper = peer.InspectWrapper(f)
        while wrapper.read(65536):
            pass
        wrapper.close()
    found = {str(i): i for i in wrapper.formats}
    inspector = found['iso'] if found.keys() == {'iso', 'gpt'} else wrapper.format
    if str(inspector) != disk_format and disk_format != 'raw':
        raise peer.ImageFormatError('%s is not %s' % (inspector, disk_format))
    inspector.safety_check()

def copy(disk_format, path):
    inspector = peer.detect_file_format(path)
    if str(inspector) != disk_format or not inspector.safety_check():
        raise peer.ImageFormatError('%s is not %s, or not safe' % (inspector, disk_format))

current = hasattr(peer, 'InspectWrapper')
verdicts = []
for line in sys.stdin:
    try:
        (whole if current else copy)(*line.rstrip('\n').split(' ', 1))
        verdicts.append('')
    except Exception as e:
        verdicts.append(type(e).__name__ + ': ' + str(e))
print(json.dumps({'current': current, 'verdicts': verdicts}))
`

// specimen is an image, one of each kind that oslo.utils accepts or refuses.
type specimen struct {
	name   string
	format disk.Format
	make   func(t *testing.T) string
	// refused is what our message says; "" where the image is accepted.
	refused string
	// current: only the current oslo.utils knows of it.
	current bool
	// beyond: oslo.utils accepts it, and another part of Nova refuses it, or it
	// is no disk that an instance boots from.
	beyond bool
}

func TestEachImageIsJudgedAsByOslo(t *testing.T) {
	disktest.Need(t, "the safety checks of images", "qemu-img", "gzip")
	all := specimens()
	var paths []string
	for _, s := range all {
		paths = append(paths, s.make(t))
	}
	for i, s := range all {
		t.Run("ours/"+s.name, func(t *testing.T) { judgedByUs(t, s, paths[i]) })
	}
	t.Run("oslo", func(t *testing.T) { judgedByOslo(t, all, paths) })
}

func judgedByUs(t *testing.T, s specimen, path string) {
	t.Helper()
	var said []string
	if image, err := disk.Open(path); err != nil {
		said = []string{err.Error()}
	} else {
		said = image.Problems()
		if image.Info().Format != s.format {
			t.Errorf("format: got %s, want %s", image.Info().Format, s.format)
		}
		if err := image.Close(); err != nil {
			t.Error(err)
		}
	}
	switch all := strings.Join(said, "\n"); {
	case s.refused == "" && all != "":
		t.Errorf("refused: %s", all)
	case s.refused != "" && !strings.Contains(all, s.refused):
		t.Errorf("got %q, want it to say %q", all, s.refused)
	}
}

func judgedByOslo(t *testing.T, all []specimen, paths []string) {
	t.Helper()
	var input strings.Builder
	for i, s := range all {
		input.WriteString(string(s.format) + " " + paths[i] + "\n")
	}
	answer, ok := askPython(t, input.String())
	if !ok {
		t.Skip("needs oslo.utils 7.3 (Debian 13 package python3-oslo.utils) or Glance (Debian package python3-glance): the checks are not compared with the real ones")
	}
	if !answer.Current {
		t.Log("oslo.utils is older than 7.3 (Debian 13 package python3-oslo.utils): boot records, footers and descriptor files are not compared")
	}
	for i, s := range all {
		if s.current && !answer.Current {
			continue
		}
		if accepted := answer.Verdicts[i] == ""; accepted != (s.refused == "" || s.beyond) {
			t.Errorf("%s: oslo.utils says %q, and we %q", s.name, answer.Verdicts[i], s.refused)
		}
	}
}

type answer struct {
	Current  bool
	Verdicts []string
}

// askPython asks the system's Python, which has the distribution's OpenStack.
func askPython(t *testing.T, input string) (answer, bool) {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		cmd := exec.Command(python, "-c", inspector)
		cmd.Stdin = strings.NewReader(input)
		var a answer
		out, err := cmd.Output()
		if err == nil && json.Unmarshal(out, &a) == nil {
			return a, true
		}
	}
	return answer{}, false
}

func specimens() []specimen {
	return slices.Concat(rawSpecimens(), qcow2Specimens(), vmdkSpecimens(), otherSpecimens())
}

func rawSpecimens() []specimen {
	raw := func(sector []byte) func(*testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			return writeFile(t, filepath.Join(t.TempDir(), "raw"), append(bytes.Clone(sector), make([]byte, 1<<20)...))
		}
	}
	const (
		linux      = "\x80\x00\x02\x00\x83\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00"
		protective = "\x00\x00\x02\x00\xee\xff\xff\xff\x01\x00\x00\x00\xff\x00\x00\x00"
		noCHS      = "\x00\x00\x01\x00\xee\xff\xff\xff\x01\x00\x00\x00\xff\x00\x00\x00"
		lateStart  = "\x00\x00\x02\x00\xee\xff\xff\xff\x02\x00\x00\x00\xff\x00\x00\x00"
		badFlag    = "\x01\x00\x02\x00\x83\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00"
	)
	fat := masterBootRecord()
	fat[0x10], fat[0x15] = 2, 0xf8
	return []specimen{
		{name: "raw without a table", format: disk.FormatRaw, make: raw(make([]byte, 512))},
		{name: "raw with one partition", format: disk.FormatRaw, make: raw(masterBootRecord(linux))},
		{name: "raw with a GPT", format: disk.FormatRaw, make: raw(masterBootRecord(protective))},
		{name: "raw FAT", format: disk.FormatRaw, make: raw(fat)},
		{name: "hybrid MBR", format: disk.FormatRaw, make: raw(masterBootRecord(protective, linux)), refused: "hybrid MBR", current: true},
		{name: "MBR with no partition", format: disk.FormatRaw, make: raw(masterBootRecord()), refused: "the MBR has no partition: Nova from 31.0.0", current: true},
		{name: "bad boot flag", format: disk.FormatRaw, make: raw(masterBootRecord(badFlag)), refused: "boot flag 0x01", current: true},
		{name: "GPT with another CHS", format: disk.FormatRaw, make: raw(masterBootRecord(noCHS)), refused: "starts at CHS", current: true},
		{name: "GPT with another start", format: disk.FormatRaw, make: raw(masterBootRecord(lateStart)), refused: "starts at sector 2", current: true},
		{name: "bad boot flag of a GPT", format: disk.FormatRaw, make: raw(masterBootRecord("\x01" + protective[1:])), refused: "boot flag 0x01", current: true},
		{name: "protective entry in second place", format: disk.FormatRaw, make: raw(masterBootRecord("", protective)), refused: "hybrid MBR", current: true},
		{name: "two protective entries", format: disk.FormatRaw, make: raw(masterBootRecord(protective, protective)), refused: "hybrid MBR", current: true},
		{name: "extended partition", format: disk.FormatRaw, make: raw(masterBootRecord(linux, "\x00\x00\x02\x00\x05\x00\x00\x00\x10\x00\x00\x00\x08\x00\x00\x00"))},
		{name: "LUKS version 1", format: seenLUKS, make: raw(append([]byte("LUKS\xba\xbe\x00\x01"), make([]byte, 600)...)), refused: "a LUKS container", current: true, beyond: true},
		{name: "LUKS version 2", format: seenLUKS, make: raw(append([]byte("LUKS\xba\xbe\x00\x02"), make([]byte, 600)...)), refused: "a LUKS container", current: true},
	}
}

// sectors are some bytes of zeros behind what is put at the end of a file.
const sectors = 4096

// image makes an empty image, and puts edits at their offsets.
func image(options []string, edits map[int]string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "image.vmdk")
		disktest.Run(t, "qemu-img", slices.Concat([]string{"create", "-q", "-f"}, options, []string{path, "1M"})...)
		if len(edits) == 0 {
			return path
		}
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for offset, edit := range edits {
			file = append(file, make([]byte, max(0, offset+sectors-len(file)))...)
			copy(file[offset:], edit)
		}
		return writeFile(t, path, file)
	}
}

func qcow2Specimens() []specimen {
	of := func(options ...string) []string { return append([]string{"qcow2"}, options...) }
	withDataFile := func(t *testing.T) string {
		t.Helper()
		return image(of("-o", "data_file="+filepath.Join(t.TempDir(), "data")), nil)(t)
	}
	compressed := func(t *testing.T) string {
		t.Helper()
		return packed(t, image(of(), nil)(t), disk.WrappingGzip)
	}
	const f = disk.FormatQCOW2
	return []specimen{
		{name: "qcow2", format: f, make: image(of(), nil)},
		{name: "qcow2 version 2", format: f, make: image(of("-o", "compat=0.10"), nil)},
		{name: "qcow2 with zstd", format: f, make: image(of("-o", "compression_type=zstd"), nil)},
		{name: "backing file", format: f, make: image(of("-u", "-b", "/etc/passwd", "-F", "raw"), nil), refused: `backing file "/etc/passwd"`},
		{name: "data file", format: f, make: withDataFile, refused: "external data file"},
		{name: "extended L2", format: f, make: image(of("-o", "extended_l2=on"), nil), refused: "extended L2 entries: Glance from 30.0.0"},
		{name: "unknown feature", format: f, make: image(of(), map[int]string{78: "\x01"}), refused: "unknown incompatible features 0x100"},
		{name: "a later unknown feature", format: f, make: image(of(), map[int]string{72: "\x80"}), refused: "unknown incompatible features"},
		{name: "feature of a data file alone", format: f, make: image(of(), map[int]string{79: "\x04"}), refused: "external data file"},
		{name: "backing file without a name", format: f, make: image(of(), map[int]string{8: "\x00\x00\x00\x00\x00\x00\x10\x00"}), refused: "backing file"},
		{name: "version 4", format: f, make: image(of(), map[int]string{7: "\x04"}), refused: "version 4", current: true},
		{name: "dirty", format: f, make: image(of(), map[int]string{79: "\x01"}), refused: "marked dirty", beyond: true},
		{name: "corrupt", format: f, make: image(of(), map[int]string{79: "\x02"}), refused: "marked corrupt", beyond: true},
		{name: "qcow2 and ISO 9660", format: f, make: image(of(), map[int]string{0x8001: "CD001"}), refused: "qcow2 and iso", current: true},
		{name: "qcow version 1", format: f, make: image([]string{"qcow"}, nil), refused: "qcow version 1", current: true},
		{name: "qcow2 and boot record", format: f, make: image(of(), map[int]string{510: "\x55\xaa"}), refused: "qcow2 and gpt", current: true},
		{name: "compressed qcow2", format: f, make: compressed, refused: "the qcow2 image is inside gzip"},
	}
}

const vmdkDescriptor = 512

func vmdkSpecimens() []specimen {
	const f = disk.FormatVMDK
	sparse, stream := []string{"vmdk"}, []string{"vmdk", "-o", "subformat=streamOptimized"}
	descriptor := func(old, now string) func(*testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			return rewritten(t, image(sparse, nil)(t), old, now)
		}
	}
	return []specimen{
		{name: "monolithicSparse", format: f, make: image(sparse, nil)},
		{name: "streamOptimized", format: f, make: image(stream, nil)},
		{name: "streamOptimized with a footer", format: f, make: footed(nil), current: true},
		{name: "footer of another version", format: f, make: footed(map[int]string{4: "\x01"}), refused: "its footer of 1", current: true},
		{name: "footer with another descriptor", format: f, make: footed(map[int]string{28: "\x02"}), refused: "its footer one of", current: true},
		{name: "footer of a footer", format: f, make: footed(map[int]string{56: strings.Repeat("\xff", 8)}), refused: "it tells of another footer", current: true},
		{name: "footer without its marker", format: f, make: footed(map[int]string{-512 + 12: "\x04"}), refused: "no marker of type 3", current: true},
		{name: "stream without its end", format: f, make: footed(map[int]string{512: "\x01"}), refused: "no marker of type 0", current: true},
		{name: "monolithicFlat", format: f, make: image([]string{"vmdk", "-o", "subformat=monolithicFlat"}, nil), refused: `createType is "monolithicFlat"`},
		{name: "twoGbMaxExtentSparse", format: f, make: image([]string{"vmdk", "-o", "subformat=twoGbMaxExtentSparse"}, nil), refused: "other files than its descriptor"},
		{name: "createType", format: f, make: descriptor("monolithicSparse", "monolithicFlat"), refused: `createType is "monolithicFlat"`, current: true},
		{name: "no createType", format: f, make: descriptor("createType=", "createTypo="), refused: `createType is ""`, current: true},
		{name: "extent path", format: f, make: descriptor(`"image.vmdk"`, `"/etc/passwd"`), refused: "an extent with a path"},
		{name: "unknown line", format: f, make: descriptor("# The Disk Data Base", "The Disk Data Base"), refused: "a line that is not known"},
		{name: "no extent", format: f, make: descriptor("RW ", "# "), refused: "the descriptor has no extent"},
		{name: "not ASCII", format: f, make: descriptor("# The Disk", "# Thé Disk"), refused: "not ASCII"},
		{name: "descriptor elsewhere", format: f, make: image(sparse, map[int]string{28: "\x02"}), refused: "its descriptor is at sector 2"},
		{name: "version 9", format: f, make: image(sparse, map[int]string{4: "\x09"}), refused: "version 9", current: true},
		{name: "COWD", format: f, make: image(sparse, map[int]string{0: "COWD"}), refused: "a VMDK image (COWD)", current: true},
		{name: "VMDK and ISO 9660", format: f, make: image(sparse, map[int]string{0x8001: "CD001"}), refused: "vmdk and iso", current: true},
		{name: "VMDK and boot record", format: f, make: image(sparse, map[int]string{510: "\x55\xaa"}), refused: "vmdk and gpt", current: true},
		{name: "text with a createType", format: f, make: func(t *testing.T) string {
			t.Helper()
			text := "version=1\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"/etc/passwd\" 0\n" + strings.Repeat("# more\n", 80)
			return writeFile(t, filepath.Join(t.TempDir(), "text"), []byte(text))
		}, refused: `"/etc/passwd" is not named after the image`},
	}
}

// rewritten replaces text in the descriptor of an image.
func rewritten(t *testing.T, path, old, now string) string {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	area := file[vmdkDescriptor : vmdkDescriptor+20*512]
	text, _, _ := bytes.Cut(area, []byte{0})
	changed := bytes.Replace(text, []byte(old), []byte(now), 1)
	if bytes.Equal(changed, text) {
		t.Fatalf("the descriptor has no %q: %s", old, text)
	}
	clear(area)
	copy(area, changed)
	return writeFile(t, path, file)
}

// footed makes a stream-optimized image whose header is at its end, as
// VMware's programs write them; edits are to the footer, whose marker is before
// it and the mark of the end behind it.
func footed(edits map[int]string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		path, _ := converted(t, content(seeded())[:1<<20], "vmdk -o subformat=streamOptimized")
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, make([]byte, -len(file)&511)...)
		footer := bytes.Clone(file[:512])
		binary.LittleEndian.PutUint64(file[56:], ^uint64(0))
		marker := make([]byte, 512)
		marker[0], marker[12] = 1, 3
		at := len(file) + len(marker)
		file = slices.Concat(file, marker, footer, make([]byte, 512))
		for offset, edit := range edits {
			copy(file[at+offset:], edit)
		}
		return writeFile(t, path, file)
	}
}

func otherSpecimens() []specimen {
	refusedByNova := "refuses every VHD, since qemu-img calls the format vpc"
	return []specimen{
		{name: "VHD", format: disk.FormatVHD, make: image([]string{"vpc"}, nil), refused: refusedByNova, beyond: true},
		{name: "fixed VHD", format: disk.FormatVHD, make: image([]string{"vpc", "-o", "subformat=fixed"}, nil), refused: "do not find the vhd in the file"},
		{name: "VHDX", format: disk.FormatVHDX, make: image([]string{"vhdx"}, nil)},
		{name: "VDI", format: disk.FormatVDI, make: image([]string{"vdi"}, nil)},
		{name: "VDI and boot record", format: disk.FormatVDI, make: image([]string{"vdi"}, map[int]string{510: "\x55\xaa"}), refused: "vdi and gpt", current: true},
		{name: "VDI and ISO 9660", format: disk.FormatVDI, make: image([]string{"vdi"}, map[int]string{0x8001: "CD001"}), refused: "vdi and iso", current: true},
		{name: "VHDX and boot record", format: disk.FormatVHDX, make: image([]string{"vhdx"}, map[int]string{510: "\x55\xaa"}), refused: "vhdx and gpt", current: true},
		{name: "ISO 9660", format: seenISO, make: medium(nil), refused: "an ISO 9660 image", current: true, beyond: true},
		{name: "ISO 9660 and boot record", format: seenISO, make: medium(masterBootRecord("\x80\x00\x02\x00\x17\x00\x00\x00\x01\x00\x00\x00\x08\x00\x00\x00")), refused: "an ISO 9660 image", current: true, beyond: true},
		{name: "UDF", format: seenISO, make: medium([]byte("UDF")), refused: "a UDF image", current: true, beyond: true},
		{name: "QED", format: disk.FormatRaw, make: image([]string{"qed"}, nil), refused: "a QED image"},
	}
}

// What oslo.utils calls formats that we open no image of.
const (
	seenISO  = disk.Format("iso")
	seenLUKS = disk.Format("luks")
)

// medium makes a file with the volume descriptor of ISO 9660, or of UDF, behind
// the given first bytes.
func medium(first []byte) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		file := make([]byte, 1<<20)
		magic := "CD001"
		if copy(file, first); string(first) == "UDF" {
			magic = "NSR02"
		}
		copy(file[0x8001:], magic)
		return writeFile(t, filepath.Join(t.TempDir(), "medium.iso"), file)
	}
}

// Nova wants its own inspector's name for a format and qemu-img's to agree.
func TestFormatsHaveTheNamesOfQEMU(t *testing.T) {
	disktest.Need(t, "the names of formats", "qemu-img")
	for _, s := range specimens() {
		if opened := s.refused == "" || s.beyond && s.format != seenISO && s.format != seenLUKS; !opened {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			var info struct{ Format string }
			out := disktest.Run(t, "qemu-img", "info", "--output=json", s.make(t))
			if err := json.Unmarshal([]byte(out), &info); err != nil {
				t.Fatal(err)
			}
			if agree := info.Format == string(s.format); agree == (s.format == disk.FormatVHD) {
				t.Errorf("qemu-img says %s, and we %s", info.Format, s.format)
			}
		})
	}
}

func TestStreamWithAFooterReadsTheSameBytes(t *testing.T) {
	disktest.Need(t, "reading VMDK images with a footer", "qemu-img")
	path := footed(nil)(t)
	image := open(t, path)
	if info := image.Info().VMDK; !info.Footer || !info.Compressed || info.CreateType != "streamOptimized" {
		t.Errorf("got %+v, want a compressed streamOptimized with a footer", info)
	}
	sameBytes(t, image, qemuReads(t, path, "vmdk"))
}
