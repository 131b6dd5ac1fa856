package disk

import "fmt"

// Problems says in sentences why Glance and Nova would refuse the image as it
// is although it was read, and what in its header says that it may not be
// what its writer meant. Nothing means that it passes.
//
// Source: oslo.utils, imageutils/format_inspector.py; Glance, location.py,
// set_data; Nova, virt/images.py, check_image_format. What makes an image
// unsafe to read has already made Open fail.
func (i *Image) Problems() []string {
	if q := i.info.QCOW2; q != nil {
		return qcow2Problems(q)
	}
	return i.ProblemsAsRaw()
}

// ProblemsAsRaw says why Glance and Nova would refuse the disk if it were
// converted to raw: they check the master boot record of raw images only.
func (i *Image) ProblemsAsRaw() []string {
	var problems []string
	for _, violation := range i.asRaw {
		problems = append(problems, fmt.Sprintf("%s: Nova refuses such a raw image, and Glance does or warns (oslo.utils, GPTInspector)", violation))
	}
	return problems
}

func qcow2Problems(q *QCOW2Info) []string {
	var problems []string
	if q.ExtendedL2 {
		problems = append(problems, "the qcow2 has extended L2 entries: Glance and Nova refuse them (oslo.utils, QcowInspector: unknown_features); convert it with qemu-img convert -O qcow2")
	}
	if q.Dirty {
		problems = append(problems, "the qcow2 is marked dirty: its writer has not closed it; repair it with qemu-img check -r all")
	}
	if q.Corrupt {
		problems = append(problems, "the qcow2 is marked corrupt: QEMU has found its tables damaged; repair it with qemu-img check -r all, or build it again")
	}
	return problems
}
