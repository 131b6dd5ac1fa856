package inspect

import (
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
)

func TestImageFormatNamesTheKindOfImage(t *testing.T) {
	tests := []struct {
		name string
		info disk.Info
		want []string
	}{
		{"raw", disk.Info{Format: disk.FormatRaw, VirtualSize: 512}, []string{"a raw image of 512 bytes"}},
		{"qcow2", disk.Info{Format: disk.FormatQCOW2, QCOW2: &disk.QCOW2Info{Version: 3}}, []string{"a qcow2 version 3 image"}},
		{"VMDK", disk.Info{Format: disk.FormatVMDK, VMDK: &disk.VMDKInfo{CreateType: "monolithicSparse"}}, []string{"a vmdk monolithicSparse image"}},
		{"VMDK with a footer", disk.Info{Format: disk.FormatVMDK, VMDK: &disk.VMDKInfo{CreateType: "streamOptimized", Footer: true}}, []string{"a vmdk streamOptimized image", "Nova before 31.0.0"}},
		{"VHDX", disk.Info{Format: disk.FormatVHDX, VHDX: &disk.VHDXInfo{}}, []string{"a vhdx image"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := imageFormat(test.info, nil)
			same := slices.EqualFunc(got.Evidence, test.want, strings.Contains)
			if got.Verdict != met || !same {
				t.Errorf("got %s %q, want met and %q", got.Verdict, got.Evidence, test.want)
			}
		})
	}
}
