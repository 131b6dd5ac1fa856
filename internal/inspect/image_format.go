package inspect

import (
	"fmt"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// imageFormat reports what the safety checks said of the file itself.
func imageFormat(info disk.Info, problems []string) requirement.Finding {
	n := &notes{}
	for _, p := range problems {
		n.unmet("%s", p)
	}
	if len(problems) == 0 {
		n.met("%s", formatInWords(info))
		for _, caution := range info.Cautions() {
			n.met("%s", caution)
		}
	}
	return n.finding(requirement.ImageFormat)
}

func formatInWords(info disk.Info) string {
	return fmt.Sprintf("a %s image of %d bytes (virtual size) passes the checks of Glance and Nova", kindInWords(info), info.VirtualSize)
}

// kindInWords adds to the format what tells images of it apart.
func kindInWords(info disk.Info) string {
	switch format := string(info.Format); {
	case info.QCOW2 != nil:
		return fmt.Sprintf("%s version %d", format, info.QCOW2.Version)
	case info.VMDK != nil:
		return fmt.Sprintf("%s %s", format, info.VMDK.CreateType)
	default:
		return format
	}
}
