package property

import (
	"fmt"
	"math"
	"strings"
)

// Check returns why value cannot be that of the property called name, and what
// Nova or Glance would take. It knows the properties of Nova 34.0.0
// (nova/objects/image_meta.py and fields.py) and of Glance (etc/metadefs,
// etc/schema-image.json). A name that neither knows may hold anything.
func Check(name, value string) error {
	k, known := kindOf(name)
	if !known {
		return nil
	}
	if err := k.check(value); err != nil {
		return fmt.Errorf("%s = %w", name, err)
	}
	return nil
}

// kindOf returns what the property called name may hold, and whether there is
// such a property.
func kindOf(name string) (kind, bool) {
	switch {
	case strings.HasPrefix(name, "trait:"):
		// Nova leaves out a trait with any other value, silently.
		return oneOf("required"), true
	case strings.HasPrefix(name, "hw_numa_mem."):
		return number(0, math.MaxInt32), true
	}
	k, known := catalogue[name]
	return k, known
}

// catalogue has every property whose values Nova or Glance restricts, by name.
var catalogue = merge(hardware(), software(), handling())

// hardware are the properties of the virtual machine.
func hardware() map[string]kind {
	bus := oneOf("fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml")
	return merge(map[string]kind{
		"architecture":                        architectures(),
		"hw_architecture":                     architectures(),
		"hw_emulation_architecture":           architectures(),
		"hw_cdrom_bus":                        bus,
		"hw_disk_bus":                         bus,
		"hw_floppy_bus":                       bus,
		"hw_rescue_bus":                       bus,
		"hw_rescue_device":                    oneOf("cdrom", "disk", "floppy", "fs", "lun"),
		"hw_scsi_model":                       scsiModels(),
		"hw_disk_type":                        diskTypes(),
		"hw_input_bus":                        oneOf("usb", "virtio"),
		"hw_pointer_model":                    oneOf("usbtablet"),
		"hw_rng_model":                        oneOf("virtio"),
		"hw_sound_model":                      oneOf("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"),
		"hw_usb_model":                        oneOf("none", "nec-xhci", "qemu-xhci"),
		"hw_video_model":                      oneOf("cirrus", "qxl", "vga", "vmvga", "xen", "virtio", "gop", "none", "bochs"),
		"hw_vif_model":                        networkCards(),
		"hw_viommu_model":                     oneOf("intel", "smmuv3", "virtio", "auto"),
		"hw_watchdog_action":                  oneOf("none", "pause", "poweroff", "reset", "disabled"),
		"hw_firmware_type":                    oneOf("uefi", "bios"),
		"hw_tpm_model":                        oneOf("tpm-tis", "tpm-crb"),
		"hw_tpm_version":                      oneOf("1.2", "2.0"),
		"hw_mem_encryption_model":             oneOf("amd-sev", "amd-sev-es", "amd-sev-snp", "intel-tdx"),
		"hw_maxphysaddr_mode":                 oneOf("passthrough", "emulate"),
		"hw_cpu_policy":                       oneOf("dedicated", "shared", "mixed"),
		"hw_cpu_thread_policy":                oneOf("prefer", "isolate", "require"),
		"hw_pci_numa_affinity_policy":         oneOf("required", "legacy", "preferred", "socket"),
		"hw_ephemeral_encryption_format":      oneOf("plain", "luks", "luksv2"),
		"hw_ephemeral_encryption_secret_uuid": uuid(),
		"hw_vm_mode":                          machineModes(),
		"vm_mode":                             machineModes(),
	}, all(flag(),
		"hw_boot_menu", "hw_firmware_stateless", "hw_ipxe_boot", "ipxe_boot", "hw_locked_memory", "hw_mem_encryption",
		"hw_pmu", "hw_qemu_guest_agent", "hw_time_hpet", "hw_vif_multiqueue_enabled", "hw_ephemeral_encryption",
		"hw_virtio_packed_ring",
	), all(number(0, math.MaxInt32),
		"hw_cpu_cores", "hw_cpu_sockets", "hw_cpu_threads", "hw_cpu_max_cores", "hw_cpu_max_sockets", "hw_cpu_max_threads",
		"hw_device_id", "xenapi_device_id", "hw_numa_nodes", "hw_serial_port_count", "hw_video_ram", "hw_maxphysaddr_bits",
		"hw_redirected_usb_ports",
	))
}

// software are the properties of the guest's system.
func software() map[string]kind {
	return merge(map[string]kind{
		"os_type":             oneOf("linux", "windows").orAlias(),
		"os_secure_boot":      oneOf("required", "disabled", "optional"),
		"os_shutdown_timeout": number(0, math.MaxInt32),
		// Nova's API tells disabled from false (nova/utils.py,
		// is_auto_disk_config_disabled).
		"auto_disk_config":    flag().or(oneOf("disabled").orAlias()),
		"hw_auto_disk_config": flag().or(oneOf("disabled").orAlias()),
	}, all(flag(),
		"os_require_quiesce", "os_skip_agent_inject_files_at_boot", "os_skip_agent_inject_ssh",
		"xenapi_skip_agent_inject_ssh", "xenapi_skip_agent_inject_files_at_boot", "img_use_agent", "xenapi_use_agent",
	))
}

// handling are the properties that say how Nova, Glance, Cinder and Ironic deal
// with the image.
func handling() map[string]kind {
	return merge(map[string]kind{
		"hypervisor_type":           hypervisors(),
		"img_hv_type":               hypervisors(),
		"img_config_drive":          oneOf("optional", "mandatory"),
		"img_type":                  oneOf("whole-disk", "partition"), // ironic/common/images.py
		"img_compression_level":     number(1, 9),
		"img_signature_hash_method": oneOf("SHA-224", "SHA-256", "SHA-384", "SHA-512"),
		"img_signature_key_type": oneOf("DSA", "ECC_SECP384R1", "ECC_SECP521R1", "ECC_SECT409K1", "ECC_SECT409R1",
			"ECC_SECT571K1", "ECC_SECT571R1", "RSA-PSS"),
		"img_signature_certificate_uuid":        uuid(),
		"img_version":                           number(0, math.MaxInt32),
		"vmware_adaptertype":                    scsiModels().or(oneOf("ide")),
		"vmware_disktype":                       diskTypes(),
		"cinder_encryption_key_deletion_policy": oneOf("on_image_deletion", "do_not_delete"),
		"kernel_id":                             uuid(),
		"ramdisk_id":                            uuid(),
		"rootfs_uuid":                           uuid(),
	}, all(flag(),
		"img_bittorrent", "bittorrent", "img_bdm_v2", "bdm_v2", "img_cache_in_nova", "cache_in_nova", "img_linked_clone",
		"vmware_linked_clone", "img_hide_hypervisor_id",
	))
}

// architectures are those of nova/virt/arch.py, with loongarch64, which came after
// 34.0.0.
func architectures() kind {
	return oneOf("alpha", "armv6", "armv7l", "armv7b", "aarch64", "cris", "i686", "ia64", "lm32", "loongarch64", "m68k",
		"microblaze", "microblazeel", "mips", "mipsel", "mips64", "mips64el", "openrisc", "parisc", "parisc64", "ppc",
		"ppcle", "ppc64", "ppc64le", "ppcemb", "s390", "s390x", "sh4", "sh4eb", "sparc", "sparc64", "unicore32", "x86_64",
		"xtensa", "xtensaeb").orAlias("i386", "i486", "i586", "x86_32", "x86_32p", "amd64")
}

func hypervisors() kind {
	return oneOf("baremetal", "bhyve", "docker", "fake", "hyperv", "ironic", "kqemu", "kvm", "lxc", "lxd", "openvz",
		"parallels", "phyp", "qemu", "test", "uml", "vbox", "vz", "vmware", "xen", "zvm", "prsm").orAlias("xapi")
}

func machineModes() kind {
	return oneOf("hvm", "xen", "uml", "exe").orAlias("pv", "hv", "baremetal")
}

func scsiModels() kind {
	return oneOf("buslogic", "ibmvscsi", "lsilogic", "lsisas1068", "lsisas1078", "virtio-scsi", "vmpvscsi").
		orAlias("lsilogicsas", "paravirtual")
}

func networkCards() kind {
	return oneOf("virtio", "ne2k_pci", "pcnet", "rtl8139", "e1000", "e1000e", "netfront", "spapr-vlan", "lan9118", "sriov",
		"vmxnet", "vmxnet3", "igb").
		orAlias("virtuale1000", "virtuale1000e", "virtualpcnet32", "virtualsriovethernetcard", "virtualvmxnet", "virtualvmxnet3")
}

// diskTypes are those of nova/virt/vmwareapi/constants.py.
func diskTypes() kind {
	return oneOf("thin", "sparse", "preallocated", "streamOptimized", "eagerZeroedThick")
}

// all returns names that are of the same kind.
func all(k kind, names ...string) map[string]kind {
	kinds := map[string]kind{}
	for _, name := range names {
		kinds[name] = k
	}
	return kinds
}

func merge(parts ...map[string]kind) map[string]kind {
	whole := map[string]kind{}
	for _, part := range parts {
		for name, k := range part {
			whole[name] = k
		}
	}
	return whole
}
