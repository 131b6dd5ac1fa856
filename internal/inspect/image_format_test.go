package inspect

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
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

// What a guest is does not depend on the format of its image.
func TestEveryFormatGivesTheSameFindings(t *testing.T) {
	disktest.Need(t, "inspecting images of every format", "qemu-img")
	raw := disktest.Debian(t)
	want := findingsOf(t, raw)
	for _, options := range []string{
		"qcow2", "qcow2 -c -o compression_type=zstd", "vmdk", "vmdk -o subformat=streamOptimized", "vmdk -o subformat=monolithicFlat",
		"vpc -o force_size=on", "vpc -o subformat=fixed,force_size=on", "vhdx", "vdi",
	} {
		t.Run(options, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image.vmdk")
			args := append([]string{"convert", "-f", "raw", "-O"}, strings.Fields(options)...)
			disktest.Run(t, "qemu-img", append(args, raw, path)...)
			got := findingsOf(t, path)
			for i, f := range want {
				if f.ID != requirement.ImageFormat && (got[i].Verdict != f.Verdict || !slices.Equal(got[i].Evidence, f.Evidence)) {
					t.Errorf("%s: got %s %q, want %s %q", f.ID, got[i].Verdict, got[i].Evidence, f.Verdict, f.Evidence)
				}
			}
		})
	}
}

func findingsOf(t *testing.T, path string) []requirement.Finding {
	t.Helper()
	image, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	result, err := Image(context.Background(), image)
	if err != nil {
		t.Fatal(err)
	}
	if err := image.Close(); err != nil {
		t.Fatal(err)
	}
	return result.Findings
}
