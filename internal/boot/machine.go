package boot

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// architecture is what differs between the processors that are booted.
type architecture struct {
	// name is Nova's (nova/objects/fields.py, Architecture); program is QEMU's
	// and pkg its Debian package.
	name, program, pkg string
	machine            string
	// serial is the console's device in the guest, serialDevice in QEMU.
	serial, serialDevice string
	// drive and card are the devices of the config drive and of the display
	// (nova/virt/libvirt/blockinfo.py, get_disk_bus_for_device_type; driver.py,
	// _add_video_driver).
	drive, card []string
	// firmware holds UEFI firmware with the template of its variables, in the
	// order of preference; uefiPackage is the Debian package.
	firmware    []firmwareFiles
	uefiPackage string
}

// firmwareFiles are UEFI's code and the variables to start with.
type firmwareFiles struct{ code, variables string }

var architectures = []architecture{
	{
		name: "x86_64", program: "qemu-system-x86_64", pkg: "qemu-system-x86", machine: "pc,hpet=off",
		serial: "ttyS0", serialDevice: "isa-serial",
		drive: []string{"-device", "ide-cd,drive=config,bus=ide.0,unit=0"},
		// Without a card GRUB for BIOS hangs before the kernel.
		card: []string{"-vga", "virtio"},
		firmware: []firmwareFiles{
			{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
			{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
			{"/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"},
			{"/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"},
		},
		uefiPackage: "ovmf",
	},
	{
		name: "aarch64", program: "qemu-system-aarch64", pkg: "qemu-system-arm", machine: "virt,gic-version=max",
		serial: "ttyAMA0",
		drive:  scsiDrive(),
		card:   []string{"-device", "virtio-gpu-pci"},
		firmware: []firmwareFiles{
			{"/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"},
			{"/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"},
		},
		uefiPackage: "qemu-efi-aarch64",
	},
}

func architectureOf(name string) (architecture, error) {
	for _, a := range architectures {
		if a.name == name {
			return a, nil
		}
	}
	return architecture{}, fmt.Errorf("an image for %q cannot be booted here, only x86_64 and aarch64", name)
}

// machine is one virtual machine as Nova's libvirt driver presents it.
type machine struct {
	arch        architecture
	accelerator accelerator
	instance    *instance
	memory      int // MiB
	cpus        int
	// uefi: the firmware is UEFI, in the files code and variables of dir.
	uefi bool
	code string
	// dir holds overlay.qcow2, the sockets, and config.iso where configDrive.
	dir         string
	configDrive bool
	// relay is the command that carries one connection to the metadata service;
	// empty where there is none.
	relay []string
	// agent: the channel of the QEMU guest agent is there, as Nova adds it with
	// the image property hw_qemu_guest_agent.
	agent bool
	// ports are those of the guest that can be reached from here.
	ports []int
}

// The files in a machine's folder.
const (
	overlayFile   = "overlay.qcow2"
	driveFile     = "config.iso"
	variablesFile = "variables.fd"
	qmpSocket     = "qmp"
	consoleSocket = "console"
	agentSocket   = "agent"
	serviceSocket = "metadata"
)

// path returns the path of a file in the machine's folder.
func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

// arguments is QEMU's command line (nova/virt/libvirt/driver.py,
// _get_guest_config). The machine starts paused.
func (m *machine) arguments() []string {
	args := []string{
		"-S", "-nodefaults", "-no-user-config", "-display", "none",
		"-machine", m.arch.machine + ",accel=" + m.accelerator.name, "-cpu", m.accelerator.cpu(),
		"-m", strconv.Itoa(m.memory), "-smp", strconv.Itoa(m.cpus),
		"-uuid", m.instance.uuid, "-smbios", m.smbios(),
		"-rtc", "base=utc", "-boot", "strict=on",
		"-qmp", "unix:" + quoteComma(m.path(qmpSocket)) + ",server=on,wait=off",
	}
	args = append(args, m.firmware()...)
	args = append(args, m.arch.card...)
	args = append(args, m.disks()...)
	args = append(args, m.network()...)
	args = append(args, m.console()...)
	return append(args, m.others()...)
}

// smbios is what cloud-init knows OpenStack by (driver.py, _get_guest_config_sysinfo).
func (m *machine) smbios() string {
	return "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova,version=32.0.0,serial=" + m.instance.uuid +
		",uuid=" + m.instance.uuid + ",family=Virtual Machine"
}

func (m *machine) firmware() []string {
	if !m.uefi {
		return nil
	}
	return []string{
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + quoteComma(m.code),
		"-drive", "if=pflash,unit=1,format=raw,file=" + quoteComma(m.path(variablesFile)),
	}
}

func (m *machine) disks() []string {
	args := []string{
		// What is written is thrown away, so it need not reach the disk.
		"-drive", "if=none,id=root,format=qcow2,cache=unsafe,discard=unmap,file=" + quoteComma(m.path(overlayFile)),
		"-device", "virtio-blk-pci,drive=root,bootindex=1",
	}
	if m.configDrive {
		args = append(args, "-drive", "if=none,id=config,media=cdrom,format=raw,readonly=on,file="+quoteComma(m.path(driveFile)))
		args = append(args, m.drive()...)
	}
	return args
}

// drive is on SCSI with UEFI: package property derives hw_cdrom_bus for that.
func (m *machine) drive() []string {
	if m.uefi {
		return scsiDrive()
	}
	return m.arch.drive
}

func scsiDrive() []string {
	return []string{"-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=config"}
}

const (
	// A network that holds both a private address for the guest and that of the
	// metadata service, which QEMU serves only inside it.
	guestNetwork    = "160.0.0.0/4"
	hostAddress     = "172.16.255.1"
	metadataAddress = "169.254.169.254"
)

// network is QEMU's own, which leads nowhere but to the ports that are
// forwarded: an image under proof reaches nobody.
func (m *machine) network() []string {
	var user strings.Builder
	fmt.Fprintf(&user, "user,id=net,restrict=on,ipv6=off,net=%s,host=%s,dhcpstart=%s", guestNetwork, hostAddress, m.instance.address)
	for _, port := range m.ports {
		fmt.Fprintf(&user, ",hostfwd=tcp:127.0.0.1:0-:%d", port)
	}
	if len(m.relay) > 0 {
		fmt.Fprintf(&user, ",guestfwd=tcp:%s:80-cmd:%s", metadataAddress, quoteComma(shellWords(m.relay)))
	}
	return []string{"-netdev", user.String(), "-device", "virtio-net-pci,netdev=net,mac=" + m.instance.mac}
}

func (m *machine) console() []string {
	channel := []string{"-chardev", "socket,id=console,server=off,path=" + quoteComma(m.path(consoleSocket))}
	if m.arch.serialDevice == "" {
		return append(channel, "-serial", "chardev:console")
	}
	return append(channel, "-device", m.arch.serialDevice+",chardev=console")
}

func (m *machine) others() []string {
	args := []string{
		"-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random",
		"-device", "virtio-balloon-pci",
	}
	if m.agent {
		args = append(args,
			"-device", "virtio-serial-pci",
			"-chardev", "socket,id=agent,server=on,wait=off,path="+quoteComma(m.path(agentSocket)),
			"-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0")
	}
	return args
}

// quoteComma doubles the commas of a value, which QEMU would take for the
// value's end.
func quoteComma(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// shellWords quotes a command for those who split it as a shell would, as
// QEMU's user network does (g_shell_parse_argv).
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}
