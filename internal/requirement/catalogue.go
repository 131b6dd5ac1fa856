package requirement

const guide = "OpenStack image guide, Image requirements: "

var (
	bothSides = []Side{Guest, Disk}
	everySide = []Side{Guest, Disk, Boot}
)

// catalogue holds every requirement, in report order.
var catalogue = []Requirement{
	{
		ID: RootResize, Level: Required, Sides: everySide,
		Title:  "The root partition and file system grow to the flavor's disk at boot",
		Source: guide + "Disk partitions and resize root partition on boot",
		Quote:  "Your image must be able to resize its partitions on boot to match the size requested by the user.",
		Remedy: "install cloud-init with growpart (cloud-guest-utils on Debian and Ubuntu) and leave its growpart and resizefs modules on",
	},
	{
		ID: PartitionLayout, Level: Required, Sides: bothSides,
		Title:  "The root partition is last on its disk and its file system fills it",
		Source: guide + "Disk partitions and resize root partition on boot",
		Quote:  "The partition table for the image describes the original size of the image. The file system for the image fills the original size of the image.",
		Remedy: "build with a single ext4 partition, or put the root partition last, and let its file system fill it",
	},
	{
		ID: NoHardcodedMAC, Level: Required, Sides: everySide,
		Title:  "No network stack has recorded a MAC address",
		Source: guide + "No hard-coded MAC address information",
		Quote:  "You must remove the network persistence rules in the image because they cause the network interface in the instance to come up as an interface other than eth0.",
		Remedy: "empty /etc/udev/rules.d/70-persistent-net.rules and remove MAC addresses from the network configuration",
	},
	{
		ID: SSHServer, Level: Required, Sides: everySide,
		Title:  "An SSH server is installed and starts at boot",
		Source: guide + "Ensure ssh server runs",
		Quote:  "You must install an ssh server into the image and ensure that it starts up on boot, or you cannot connect to your instance by using ssh when it boots inside of OpenStack.",
		Remedy: "install openssh-server and enable its service",
	},
	{
		ID: NoFirewall, Level: Required, Sides: everySide,
		Title:  "No firewall of the image starts at boot",
		Source: guide + "Disable firewall",
		Quote:  "In general, we recommend that you disable any firewalls inside of your image and use OpenStack security groups to restrict access to instances.",
		Remedy: "disable the firewall's service and leave filtering to security groups",
	},
	{
		ID: SSHKey, Level: Required, Sides: everySide,
		Title:  "The instance's SSH key reaches an account",
		Source: guide + "Access instance by using ssh public key",
		Quote:  "For this to work, your virtual machine image must be configured to download the ssh public key from the OpenStack metadata service or config drive, at boot time.",
		Remedy: "install and enable cloud-init, with a default user",
	},
	{
		ID: UserData, Level: Required, Sides: everySide,
		Title:  "User data, host name and other metadata are applied",
		Source: guide + "Process user data and other metadata",
		Quote:  "The easiest way to support this type of functionality is to install the cloud-init package into your image, which is configured by default to treat user data as an executable script, and sets the host name.",
		Remedy: "install and enable cloud-init",
	},
	{
		ID: ConsoleLog, Level: Required, Sides: everySide,
		Title:  "Every boot entry writes the kernel log to the serial console",
		Source: guide + "Ensure image writes boot log to console",
		Quote:  "You must configure the image so that the kernel writes the boot log to the ttyS0 device. In particular, the console=tty0 console=ttyS0,115200n8 arguments must be passed to the kernel on boot.",
		Remedy: "put console=tty0 console=ttyS0,115200n8 on the kernel command line, take quiet, rhgb and splash off it, and regenerate the boot loader's configuration",
	},
	{
		ID: XenPVKernel, Level: Required, Sides: bothSides,
		Title:  "A kernel below 3.0 supports paravirtualized Xen",
		Source: guide + "Paravirtualized Xen support in the kernel",
		Quote:  "If you are running the Xen hypervisor with paravirtualization, and you want to create an image for an older Linux distribution that has a pre 3.0 kernel, you must ensure that the image boots a kernel that has been compiled with Xen support.",
		Remedy: "install a kernel of 3.0 or newer, or one built with Xen PV support",
	},
	{
		ID: Datasource, Level: Required, Sides: everySide,
		Title:  "cloud-init finds OpenStack and the config drive",
		Source: "cloud-init, Breaking changes: 25.1.4 (strict detection); ds-identify",
		Remedy: "name the data sources on one line: datasource_list: [ ConfigDrive, OpenStack, None ]",
	},
	{
		ID: Virtio, Level: Required, Sides: everySide,
		Title:  "Kernel or initramfs has the virtio drivers",
		Source: "OpenStack image guide, Converting between image formats; Nova, libvirt driver: default disk and network bus",
		Remedy: "rebuild the initramfs of every kernel with virtio_pci, virtio_blk, virtio_scsi and virtio_net",
	},
	{
		ID: DHCP, Level: Required, Sides: everySide,
		Title:  "The first network card, whatever its name, comes up by DHCP",
		Source: "OpenStack image guide, example pages: Configure networking",
		Remedy: "let cloud-init configure the network, or configure DHCP for any Ethernet interface",
	},
	{
		ID: IdentityReset, Level: Required, Sides: everySide,
		Title:  "Machine ID, host keys, leases and random seed are not baked in",
		Source: "OpenStack image guide, example pages: Clean up (virt-sysprep); machine-id(5)",
		Remedy: "empty /etc/machine-id, remove the SSH host keys, DHCP leases, the random seed and cloud-init's state",
	},
	{
		ID: NoSecrets, Level: Required, Sides: bothSides,
		Title:  "No builder's key, password or private key is left in the image",
		Source: "OpenStack image guide, example pages: Clean up (virt-sysprep)",
		Remedy: "remove authorized_keys, shell histories, private keys and build logs, and lock the passwords",
	},
	{
		ID: ACPIShutdown, Level: Recommended, Sides: everySide,
		Title:  "The instance obeys its power button",
		Source: "OpenStack image guide, example pages: Install the acpid service",
		Remedy: "run systemd-logind, or install acpid",
	},
	{
		ID: GuestAgent, Level: Informational, Sides: everySide,
		Title:  "The QEMU guest agent is installed and starts",
		Source: "Glance, useful image properties: hw_qemu_guest_agent",
		Remedy: "install qemu-guest-agent",
	},
	{
		ID: ImageFormat, Level: Required, Sides: []Side{Disk},
		Title:  "The file passes the safety checks of Glance and Nova",
		Source: "oslo.utils, imageutils.format_inspector; CVE-2024-32498",
		Remedy: "convert it with qemu-img convert to a qcow2 or raw image without backing or data file",
	},
}
