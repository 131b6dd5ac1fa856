package vmdk

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/readat"
)

// DescriptorStart is how every descriptor file starts.
const DescriptorStart = "# Disk DescriptorFile"

// Limits of what a descriptor can make us read and keep: oslo.utils and QEMU
// read 1 MiB less a byte.
const (
	maxDescriptor = 1<<20 - 1
	maxExtents    = 512
	noParent      = "ffffffff"
)

// descriptor is the text part of an image: Virtual Disk Format 5.0, "The
// Descriptor File".
type descriptor struct {
	// createType is as written; "" if it is not there.
	createType string
	extents    []extent
	// faults are the sentences of what oslo.utils finds wrong with it.
	faults []string
}

// extent is one line that says where a part of the disk is.
type extent struct {
	sectors int64
	kind    string
	file    string
	offset  int64 // in the file, in sectors
}

// The kinds of extents that are read: flat bytes, sparse ones, and nothing.
const (
	kindFlat   = "FLAT"
	kindVMFS   = "VMFS"
	kindSparse = "SPARSE"
	kindZero   = "ZERO"
)

// readDescriptor reads the descriptor of up to length bytes at offset, which
// ends at the first zero. The error is diskerr.ErrUnsafe for an image that is
// the difference to another.
func readDescriptor(r io.ReaderAt, offset, length int64) (*descriptor, error) {
	raw := make([]byte, min(length, maxDescriptor))
	if err := readat.Full(r, raw, offset, "VMDK descriptor"); err != nil {
		return nil, err
	}
	text, _, _ := strings.Cut(string(raw), "\x00")
	d := &descriptor{createType: createType(text)}
	if parent, ok := value(text, "parentFileNameHint"); ok {
		return nil, diskerr.Unsafe("VMDK that is the difference to %s: most of its disk is in that file, which was not opened; if you trust it, flatten the image with qemu-img convert -O qcow2", strconv.Quote(parent))
	}
	if id, ok := value(text, "parentCID"); ok && !strings.EqualFold(id, noParent) {
		return nil, diskerr.Unsafe("VMDK that is the difference to a parent with content ID %s, which was not looked for; if you trust it, flatten the image with qemu-img convert -O qcow2", strconv.Quote(id))
	}
	d.check(text)
	return d, nil
}

// createType is searched for as oslo.utils does: anywhere, in any case.
func createType(text string) string {
	const key = `createtype="`
	start := strings.Index(lowerASCII(text), key)
	if start < 0 {
		return ""
	}
	kind, _, ended := strings.Cut(text[start+len(key):], `"`)
	if !ended || len(kind) >= 64 {
		return ""
	}
	return kind
}

// lowerASCII keeps every byte in its place, which strings.ToLower does not.
func lowerASCII(text string) string {
	lower := []byte(text)
	for i, b := range lower {
		if 'A' <= b && b <= 'Z' {
			lower[i] = b + 'a' - 'A'
		}
	}
	return string(lower)
}

// value returns the value of the line "key = value", without its quotes.
func value(text, key string) (string, bool) {
	for line := range strings.Lines(text) {
		name, v, ok := strings.Cut(line, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), key) {
			return strings.Trim(strings.TrimSpace(v), `"`), true
		}
	}
	return "", false
}

// check reads the extents, and notes what oslo.utils refuses in the text:
// imageutils/format_inspector.py, VMDKInspector.check_descriptor.
func (d *descriptor) check(text string) {
	if i := strings.IndexFunc(text, func(r rune) bool { return r > unicode.MaxASCII }); i >= 0 {
		d.fault("the descriptor is not ASCII text")
	}
	if allowed := []string{"monolithicsparse", "streamoptimized"}; !slices.Contains(allowed, strings.ToLower(d.createType)) {
		d.fault("its createType is %s, want monolithicSparse or streamOptimized", strconv.Quote(d.createType))
	}
	found := false
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		switch key, _, isField := strings.Cut(line, "="); {
		case line == "" || line[0] == '#' || strings.HasPrefix(strings.ToLower(line), "ddb"):
		case isField && !strings.Contains(key, " "):
		case !isExtent(line):
			d.fault("the descriptor has a line that is not known: %s", shortened(line))
		default:
			found = true
			d.addExtent(line)
		}
	}
	if !found {
		d.fault("the descriptor has no extent")
	}
}

// maxFaults bounds what a hostile descriptor can make a report hold.
const maxFaults = 8

func (d *descriptor) fault(format string, args ...any) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, fmt.Sprintf(format, args...))
	}
}

func shortened(line string) string { return strconv.Quote(line[:min(len(line), 80)]) }

func isExtent(line string) bool {
	access, _, _ := strings.Cut(line, " ")
	return slices.Contains([]string{"rw", "rdonly", "noaccess"}, strings.ToLower(access))
}

func (d *descriptor) addExtent(line string) {
	if strings.Contains(line, "/") {
		d.fault("the descriptor has an extent with a path: %s", shortened(line))
	}
	e, err := parseExtent(line)
	if err != nil {
		d.fault("%v", err)
	}
	d.extents = append(d.extents, e)
}

// parseExtent reads: access sectors kind ["file" [offset]]. What it cannot
// read makes an extent of no known kind.
func parseExtent(line string) (extent, error) {
	head, rest, _ := strings.Cut(line, `"`)
	file, tail, _ := strings.Cut(rest, `"`)
	fields := strings.Fields(head)
	if len(fields) != 3 {
		return extent{}, fmt.Errorf("the descriptor has an extent that cannot be read: %s", shortened(line))
	}
	e := extent{kind: strings.ToUpper(fields[2]), file: file}
	var err error
	if e.sectors, err = parseSectors(fields[1]); err == nil && strings.TrimSpace(tail) != "" {
		e.offset, err = parseSectors(strings.Fields(tail)[0])
	}
	if err != nil {
		return extent{}, fmt.Errorf("the descriptor has an extent with an impossible number: %s", shortened(line))
	}
	return e, nil
}

func parseSectors(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > maxSectors {
		return 0, fmt.Errorf("%q is no number of sectors", text)
	}
	return n, nil
}
