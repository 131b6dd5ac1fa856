package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
)

// sectorSize is what a BIOS reads at once.
const sectorSize = 512

// findLoader reports whether a BIOS can start a boot loader: its boot code in
// the master boot record, and what that loads next. The loader's name says what
// is missing where it can not.
func findLoader(disk io.ReaderAt, parts *partition.Table) (bios bool, loader string) {
	code := readSector(disk, 0)[:440]
	switch {
	case bytes.Contains(code, []byte("GRUB")):
		return findGrub(disk, parts)
	case bytes.Contains(code, []byte("perating system")):
		return findSyslinux(disk, parts)
	}
	return false, ""
}

// readSector returns zeros where there is nothing to read.
func readSector(disk io.ReaderAt, at int64) []byte {
	sector := make([]byte, sectorSize)
	if _, err := disk.ReadAt(sector, at); err != nil && !errors.Is(err, io.EOF) {
		clear(sector)
	}
	return sector
}

// findGrub looks for GRUB's core image behind the master boot record or in a
// BIOS boot partition: by the word that its first sector shows, "loading" in
// version 2 (grub, boot/i386/pc/diskboot.S), "Loading stage" before
// (stage1_5's start.S).
func findGrub(disk io.ReaderAt, parts *partition.Table) (bool, string) {
	where := int64(sectorSize)
	if p, ok := biosBootPartition(parts); ok {
		where = p.Start
	}
	core := readSector(disk, where)
	switch {
	case bytes.Contains(core, []byte("loading")):
		return true, "grub"
	case bytes.Contains(core, []byte("Loading stage")):
		return true, "grub-legacy"
	}
	return false, fmt.Sprintf("grub (boot code without a core image at byte %d)", where)
}

func biosBootPartition(parts *partition.Table) (partition.Partition, bool) {
	if parts != nil {
		for _, p := range parts.Partitions {
			if strings.EqualFold(p.Type, partitionBIOSBoot) {
				return p, true
			}
		}
	}
	return partition.Partition{}, false
}

// findSyslinux looks for syslinux, or its kin extlinux, in the boot sector of
// the partition that the usual boot code starts, the active one: both name
// themselves there (syslinux, core/diskboot.inc).
func findSyslinux(disk io.ReaderAt, parts *partition.Table) (bool, string) {
	if parts == nil {
		return false, ""
	}
	for _, p := range parts.Partitions {
		if !p.Bootable {
			continue
		}
		if sector := readSector(disk, p.Start); bytes.Contains(sector, []byte("SYSLINUX")) || bytes.Contains(sector, []byte("EXTLINUX")) {
			return true, "extlinux"
		}
		return false, fmt.Sprintf("boot code that starts partition %d, which has no boot loader that is known", p.Number)
	}
	return false, "boot code, and no partition that it would start"
}
