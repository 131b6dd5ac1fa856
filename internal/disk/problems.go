package disk

import (
	"fmt"
	"slices"
	"strings"
)

// Who refuses an image, and from which release. Sources: Glance 33.0.0,
// location.py, set_data, and common/config.py, gpt_safety_checks_nonfatal; Nova
// 34.0.0, virt/images.py, do_image_deep_inspection and fetch_to_raw; their
// release notes; oslo.utils 10.2.0, imageutils/format_inspector.py.
const (
	glance      = "Glance from 30.0.0 (2025.1)"
	nova        = "Nova from 30.0.0 (2024.2), and before it with the fix of CVE-2024-32498,"
	bothRefuse  = glance + " and " + nova + " refuse it"
	mbrRefusers = "Nova from 31.0.0 (2025.1) refuses such a raw image, and Glance does from 33.0.0 (2026.2) and warns from 30.0.0"
)

// Problems says in sentences why Glance and Nova would refuse the file as it
// is although it was read, and what in its header says that it may not be what
// its writer meant. Nothing means that it passes.
//
// What makes an image unsafe to read has already made Open fail.
func (i *Image) Problems() []string {
	problems := slices.Concat(i.wrappingProblems(), i.formatProblems(), i.seenProblems())
	if i.info.Format == FormatRaw {
		return append(problems, i.mbrProblems()...)
	}
	return append(problems, i.insideProblems()...)
}

// ProblemsAsRaw says why Glance and Nova would refuse the disk if it were
// converted to raw.
func (i *Image) ProblemsAsRaw() []string {
	return slices.Concat(i.mbrProblems(), i.insideProblems())
}

// insideProblems: Nova converts an image to raw and looks what the result is;
// fetch_to_raw, "Converted to raw, but format is now".
func (i *Image) insideProblems() []string {
	inside := slices.DeleteFunc(slices.Clone(i.inside), func(name string) bool { return name == seenGPT })
	if len(inside) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the disk itself looks like a file of the format %s: %s refuses it after converting it to raw", strings.Join(inside, " and "), nova)}
}

// mbrProblems: the master boot record of raw images only is checked.
func (i *Image) mbrProblems() []string {
	var problems []string
	for _, violation := range i.asRaw {
		problems = append(problems, fmt.Sprintf("%s: %s (oslo.utils, GPTInspector)", violation, mbrRefusers))
	}
	return problems
}

// wrappingProblems: Glance looks into images of container_format bare alone, and
// finds no format in what is packed.
func (i *Image) wrappingProblems() []string {
	var problems []string
	for _, w := range i.info.Wrapping {
		remedy := "unpack it"
		if w == WrappingOVA {
			remedy = "take the disk out of it with tar"
		}
		refusal := fmt.Sprintf("%s refuses it as %s, and Nova does not look inside", glance, i.info.Format)
		if i.info.Format == FormatRaw {
			refusal = "Glance and Nova would take what it is packed in for the disk"
		}
		problems = append(problems, fmt.Sprintf("the %s image is inside %s: %s; %s", i.info.Format, w, refusal, remedy))
	}
	return problems
}

func (i *Image) formatProblems() []string {
	switch i.info.Format {
	case FormatQCOW2:
		return qcow2Problems(i.info.QCOW2)
	case FormatVMDK:
		return vmdkProblems(i.violations)
	case FormatVHD:
		return vhdProblems(i.violations)
	}
	return nil
}

func qcow2Problems(q *QCOW2Info) []string {
	var problems []string
	if q.ExtendedL2 {
		problems = append(problems, "the qcow2 has extended L2 entries: "+bothRefuse+" (oslo.utils, QcowInspector: unknown_features); convert it with qemu-img convert -O qcow2")
	}
	if q.Dirty {
		problems = append(problems, "the qcow2 is marked dirty: its writer has not closed it; repair it with qemu-img check -r all")
	}
	if q.Corrupt {
		problems = append(problems, "the qcow2 is marked corrupt: QEMU has found its tables damaged; repair it with qemu-img check -r all, or build it again")
	}
	return problems
}

func vmdkProblems(violations []string) []string {
	var problems []string
	for _, violation := range violations {
		problems = append(problems, fmt.Sprintf("the VMDK is not one that is allowed: %s; %s (oslo.utils, VMDKInspector); convert it with qemu-img convert -O qcow2", violation, bothRefuse))
	}
	return problems
}

// vhdProblems: Nova's own inspector calls the format vhd and qemu-img calls it
// vpc, and fetch_to_raw wants both to agree.
func vhdProblems(violations []string) []string {
	const refusal = "the image is a VHD: " + nova + " refuses every VHD, since qemu-img calls the format vpc (virt/images.py, fetch_to_raw); convert it with qemu-img convert -O qcow2"
	return append([]string{refusal}, violations...)
}

// seenProblems: Glance and Nova want to find one format, the one that
// disk_format tells. A raw disk may be found as one with a boot record.
func (i *Image) seenProblems() []string {
	seen := i.seenAs
	format := string(i.info.Format)
	switch {
	case len(seen) > 1:
		return []string{fmt.Sprintf("the file matches several formats, %s, and could be hiding one in the other: %s (oslo.utils, InspectWrapper); convert it with qemu-img convert -O qcow2", strings.Join(seen, " and "), bothRefuse)}
	case i.info.Format == FormatRaw:
		return nil
	case len(seen) == 0 || seen[0] != format:
		return []string{fmt.Sprintf("Glance and Nova do not find the %s in the file, but a raw disk: %s; convert it with qemu-img convert -O qcow2", format, bothRefuse)}
	}
	return nil
}

// Cautions says in sentences what refuses an image of this kind although the
// current Glance and Nova take it. Sources: Nova 26.2.2 with its security fixes,
// nova/image/format_inspector.py, and Cinder 29.0.0, of the same name, both
// VMDKInspector.post_process.
func (i Info) Cautions() []string {
	if i.VMDK != nil && i.VMDK.Footer {
		return []string{"Nova before 31.0.0 (2025.1), and Cinder (29.0.0 still), refuse a VMDK that has its header at its end; for these convert it with qemu-img convert -O qcow2"}
	}
	return nil
}
