// Package ova finds the disk in an OVA, a tar archive with an OVF descriptor,
// and reads it where it is. Source of the format: DMTF DSP0243, Open
// Virtualization Format 1.1 and 2.1.
package ova

import (
	"archive/tar"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

// Magic marks a tar archive, MagicOffset bytes into it.
const (
	Magic       = "ustar"
	MagicOffset = 257
)

// Bounds of an archive.
const (
	maxMembers    = 1000
	maxDescriptor = 4 << 20
)

// Disk is the file of the virtual disk in the archive.
type Disk struct {
	*io.SectionReader
	// Name is the archive's for it.
	Name string
}

// Find finds the disk that the OVF descriptor of the archive in r names, size
// bytes long. The error is diskerr.ErrUnsupported for an archive that is no OVA
// or has several disks, and diskerr.ErrCorrupt.
func Find(r io.ReaderAt, size int64) (*Disk, error) {
	members, err := list(r, size)
	if err != nil {
		return nil, err
	}
	name, err := diskName(members)
	if err != nil {
		return nil, err
	}
	found, ok := members.find(name)
	if !ok {
		return nil, diskerr.Corrupt("OVA: its descriptor names the disk %s, which is not in the archive", strconv.Quote(name))
	}
	return &Disk{SectionReader: found.data, Name: name}, nil
}

// member is a regular file of the archive.
type member struct {
	name string
	data *io.SectionReader
}

type members []member

func (m members) find(name string) (member, bool) {
	i := slices.IndexFunc(m, func(m member) bool { return m.name == name })
	if i < 0 {
		return member{}, false
	}
	return m[i], true
}

// list lists the archive's files and where they are; only headers are read.
func list(r io.ReaderAt, size int64) (members, error) {
	section := io.NewSectionReader(r, 0, size)
	archive := tar.NewReader(section)
	var found members
	for range maxMembers {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, diskerr.Corrupt("tar archive: %w; copy or build it again", err)
		}
		// The archive's reader takes whole headers and nothing ahead.
		offset, err := section.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if header.Typeflag != tar.TypeReg || isSparse(header) {
			continue
		}
		if header.Size > size-offset {
			return nil, diskerr.Corrupt("tar archive: %s has %d bytes at offset %d, but the file is cut off at %d bytes; copy or build it again", strconv.Quote(header.Name), header.Size, offset, size)
		}
		found = append(found, member{header.Name, io.NewSectionReader(r, offset, header.Size)})
	}
	return nil, diskerr.Unsupported("tar archive with more than %d members, which is no OVA", maxMembers)
}

// isSparse: such a member does not lie in the archive as it is.
func isSparse(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return header.Typeflag == tar.TypeGNUSparse
}

// envelope is what is used of an OVF descriptor: DSP0243, sections 7 and 9.1.
type envelope struct {
	Files []struct {
		ID        string `xml:"id,attr"`
		Href      string `xml:"href,attr"`
		ChunkSize string `xml:"chunkSize,attr"`
	} `xml:"References>File"`
	Disks []struct {
		ID      string `xml:"diskId,attr"`
		FileRef string `xml:"fileRef,attr"`
		Parent  string `xml:"parentRef,attr"`
	} `xml:"DiskSection>Disk"`
}

// diskName returns the name of the one disk.
func diskName(all members) (string, error) {
	i := slices.IndexFunc(all, func(m member) bool { return strings.EqualFold(path.Ext(m.name), ".ovf") })
	if i < 0 {
		return "", diskerr.Unsupported("it is a tar archive without an OVF descriptor, which is no OVA: unpack it with tar, and take the disk in it")
	}
	e, err := parse(all[i].data)
	if err != nil {
		return "", err
	}
	var names []string
	for _, d := range e.Disks {
		if d.Parent != "" {
			return "", diskerr.Unsafe("OVA: its disk %s is the difference to another; flatten it in the program that made it, and export it again", strconv.Quote(d.ID))
		}
		for _, f := range e.Files {
			if f.ID == d.FileRef && f.ChunkSize != "" {
				return "", diskerr.Unsupported("OVA: its disk %s is in several pieces; export it again in one", strconv.Quote(f.Href))
			}
			if f.ID == d.FileRef && !slices.Contains(names, f.Href) {
				names = append(names, f.Href)
			}
		}
	}
	switch len(names) {
	case 1:
		return names[0], nil
	case 0:
		return "", diskerr.Unsupported("OVA: its descriptor names no disk that is in the archive")
	}
	for i, name := range names {
		names[i] = strconv.Quote(name)
	}
	return "", diskerr.Unsupported("OVA with %d disks (%s), and Glance's images have one: unpack it with tar, and take the one with the system", len(names), strings.Join(names[:min(len(names), 8)], ", "))
}

func parse(r *io.SectionReader) (*envelope, error) {
	if r.Size() > maxDescriptor {
		return nil, diskerr.Corrupt("OVF descriptor of %d bytes, want %d at most", r.Size(), maxDescriptor)
	}
	e := &envelope{}
	if err := xml.NewDecoder(io.NewSectionReader(r, 0, r.Size())).Decode(e); err != nil {
		return nil, diskerr.Corrupt("OVF descriptor: %w", err)
	}
	return e, nil
}
