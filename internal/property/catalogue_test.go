package property

import (
	"strings"
	"testing"
)

func TestCheckTakesWhatNovaTakes(t *testing.T) {
	cases := []struct {
		name, value string
		// want is in the error; empty where the value is good.
		want string
	}{
		{"hw_disk_bus", "scsi", ""},
		{"hw_disk_bus", "SCSI", "one of fdc, ide, sata, scsi, usb, virtio, xen, lxc, uml"},
		{"hw_disk_bus", "nvme", `hw_disk_bus = "nvme"`},
		{"hw_vif_model", "igb", ""},
		{"hw_vif_model", "VirtualE1000", ""},
		{"hw_scsi_model", "lsiLogicsas", ""},
		{"vmware_adaptertype", "ide", ""},
		{"vmware_adaptertype", "nvme", "ide"},
		{"architecture", "amd64", ""},
		{"architecture", "riscv64", "x86_64"},
		{"hypervisor_type", "QEMU", ""},
		{"hypervisor_type", "virtualbox", "vbox"},
		{"os_type", "Linux", ""},
		{"hw_qemu_guest_agent", "Yes", ""},
		{"hw_qemu_guest_agent", "ture", "true or false"},
		{"auto_disk_config", "disabled", ""},
		{"auto_disk_config", "auto", "true or false, or one of disabled"},
		{"hw_video_ram", "64", ""},
		{"hw_video_ram", "64MB", "a whole number from 0"},
		{"hw_video_ram", "-1", "a whole number from 0"},
		{"hw_numa_mem.1", "2048", ""},
		{"hw_numa_mem.1", "2G", "a whole number"},
		{"img_compression_level", "10", "from 1 to 9"},
		{"img_signature_certificate_uuid", "1d3b5e5e-0b0e-4f0c-9f0a-3f6e3f2c1a11", ""},
		{"img_signature_certificate_uuid", "1d3b5e5e", "a UUID"},
		{"trait:HW_CPU_X86_AVX2", "required", ""},
		{"trait:HW_CPU_X86_AVX2", "forbidden", "required"},
		{"cinder_encryption_key_deletion_policy", "delete", "on_image_deletion"},
		{"os_distro", "anything at all", ""},
		{"nobody_knows_it", "x", ""},
	}
	for _, c := range cases {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			err := Check(c.name, c.value)
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error = %v, want %q in it", err, c.want)
			}
		})
	}
}
