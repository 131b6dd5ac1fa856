package inspect

import (
	"fmt"
	"slices"
	"strings"
)

// Types of the EFI system partition in a GPT and in an MBR: UEFI specification
// 2.10, sections 5.3.3 and 5.2.2.
const (
	partitionESP    = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	partitionESPMBR = "0xef"
)

// fallbackLoaders are what firmware starts that knows of no boot entry, as that
// of a new instance: UEFI specification 2.10, section 3.5.1.1. The keys are
// Nova's names.
var fallbackLoaders = map[string]string{
	"x86_64":      "/EFI/BOOT/BOOTX64.EFI",
	"i686":        "/EFI/BOOT/BOOTIA32.EFI",
	"aarch64":     "/EFI/BOOT/BOOTAA64.EFI",
	"armv7l":      "/EFI/BOOT/BOOTARM.EFI",
	"riscv64":     "/EFI/BOOT/BOOTRISCV64.EFI",
	"loongarch64": "/EFI/BOOT/BOOTLOONGARCH64.EFI",
}

func (v *volume) isESP() bool {
	return strings.EqualFold(v.part.Type, partitionESP) || v.part.Type == partitionESPMBR
}

// findUEFI decides whether the image boots by UEFI: an EFI system partition
// has the fallback loader of the image's architecture.
func (g *guest) findUEFI() {
	boot := &g.facts.Boot
	for _, v := range g.layout.volumes {
		if !v.isESP() {
			continue
		}
		found, why := hasFallbackLoader(v, g.facts.Architecture)
		if found {
			boot.UEFI, boot.UEFIUnknown = true, ""
			return
		}
		if why != "" {
			boot.UEFIUnknown = why
		}
	}
}

// hasFallbackLoader also says why that can not be told.
func hasFallbackLoader(v *volume, architecture string) (found bool, why string) {
	if v.fs == nil {
		return false, fmt.Sprintf("%s may hold a loader, and can not be read", v)
	}
	if !v.fs.Geometry.Clean {
		return false, fmt.Sprintf("%s may hold a loader, and is not clean: %s", v.name(), v.fs.Geometry.Unclean)
	}
	loader, known := fallbackLoaders[architecture]
	names := []string{loader}
	if !known {
		names = names[:0]
		for _, name := range fallbackLoaders {
			names = append(names, name)
		}
	}
	t := newTree(v.fs)
	for _, name := range slices.Sorted(slices.Values(names)) {
		info, err := t.stat(name)
		switch {
		case err == nil && info.Mode().IsRegular() && info.Size() > 0:
			return true, ""
		case err != nil && !absent(err):
			return false, fmt.Sprintf("%s: %s: %v", v.name(), name, err)
		}
	}
	return false, ""
}
