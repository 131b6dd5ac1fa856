//go:generate packer-sdc struct-markdown

package disk

import (
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// DatasourceOutput is what a template can read from the data source.
type DatasourceOutput struct {
	// Whether every required requirement is met.
	Ready bool `mapstructure:"ready"`
	// IDs of the required requirements that are not met or could not be looked
	// at.
	Failing []string `mapstructure:"failing"`
	// The verdict on each requirement, by its ID: `met`, `unmet`,
	// `not-applicable` or `unknown`.
	Verdicts map[string]string `mapstructure:"verdicts"`
	// What each verdict rests on, by the requirement's ID: which file, which
	// line, which value.
	Findings []Finding `mapstructure:"findings"`
	// The format of the image: `qcow2`, `raw`, `vmdk`, `vhd`, `vhdx` or `vdi`.
	Format string `mapstructure:"format"`
	// What the image is packed in, from the outside: `ova`, `gzip`, `xz`, `zstd`.
	Wrapping []string `mapstructure:"wrapping"`
	// The length of the file in bytes.
	FileSize int64 `mapstructure:"file_size"`
	// The size of the disk in it in bytes.
	VirtualSize int64 `mapstructure:"virtual_size"`
	// The kind of the partition table: `gpt`, `mbr` or `none`.
	PartitionTable string `mapstructure:"partition_table"`
	// The partitions, by their numbers.
	Partitions []Partition `mapstructure:"partitions"`
	// The number of the root file system's partition; 0 where it fills the whole
	// disk, or is on a logical volume.
	RootPartition int `mapstructure:"root_partition"`
	// The logical volume that it is on, as group/volume; else empty.
	RootVolume string `mapstructure:"root_volume"`
	// The type of the root file system, such as `ext4`.
	RootFileSystem string `mapstructure:"root_file_system"`
	// Its UUID.
	RootUUID string `mapstructure:"root_uuid"`
	// Its size in bytes.
	RootSize int64 `mapstructure:"root_size"`
	// Whether it was unmounted; where it was not, every verdict is `unknown`.
	RootClean bool `mapstructure:"root_clean"`
	// The ID of the distribution, as `/etc/os-release` has it, such as `debian`.
	OSID string `mapstructure:"os_id"`
	// The IDs of the distributions that it is like.
	OSIDLike []string `mapstructure:"os_id_like"`
	// Its version, such as `12`.
	OSVersion string `mapstructure:"os_version"`
	// Its name for people.
	OSName string `mapstructure:"os_name"`
	// What starts the system: `systemd`, `openrc`, `upstart`, `sysvinit`, or the
	// name of what `/sbin/init` is.
	Init string `mapstructure:"init"`
	// The machine that the programs are built for, such as `x86_64`; empty where
	// no program could be read.
	Architecture string `mapstructure:"architecture"`
	// The package manager: `dpkg`, `rpm`, `apk`, `pacman` or `portage`; empty
	// where there is no database that could be read.
	PackageManager string `mapstructure:"package_manager"`
	// The versions of the installed packages, by their names.
	Packages map[string]string `mapstructure:"packages"`
	// The kernels that the image can boot.
	Kernels []Kernel `mapstructure:"kernels"`
	// The entries of the boot loader's menu.
	BootEntries []BootEntry `mapstructure:"boot_entries"`
	// The boot loaders whose entries were found: `grub`, `grub-legacy`,
	// `extlinux`, `systemd-boot`.
	BootLoaders []string `mapstructure:"boot_loaders"`
	// Whether the image starts by BIOS: a boot loader is in the master boot
	// record.
	BIOS bool `mapstructure:"bios"`
	// Whether it starts by UEFI: an EFI system partition holds a loader for
	// removable media.
	UEFI bool `mapstructure:"uefi"`
	// Whether cloud-init is installed.
	CloudInitInstalled bool `mapstructure:"cloud_init_installed"`
	// Whether it is installed, started at boot, and not switched off.
	CloudInitEnabled bool `mapstructure:"cloud_init_enabled"`
	// The version of its package; empty where the database has none.
	CloudInitVersion string `mapstructure:"cloud_init_version"`
	// The data sources that it is told to look for.
	CloudInitDatasources []string `mapstructure:"cloud_init_datasources"`
	// The account that gets the instance's SSH key.
	CloudInitUser string `mapstructure:"cloud_init_user"`
	// Whether the QEMU guest agent is installed.
	GuestAgentInstalled bool `mapstructure:"guest_agent_installed"`
	// Whether it is started, at boot or when its device appears.
	GuestAgentEnabled bool `mapstructure:"guest_agent_enabled"`
	// The derived properties, `min_disk` among them.
	Properties map[string]string `mapstructure:"properties"`
	// The whole report, as `inspect --format json` prints it, for `jsondecode`.
	Report string `mapstructure:"report"`
}

// Finding is what was found of one requirement.
type Finding struct {
	// The ID of the requirement, such as `ssh-server`.
	ID string `mapstructure:"id"`
	// How much it matters: `required`, `recommended` or `informational`.
	Level string `mapstructure:"level"`
	// `met`, `unmet`, `not-applicable` or `unknown`.
	Verdict string `mapstructure:"verdict"`
	// What was seen, the most telling first.
	Evidence []string `mapstructure:"evidence"`
	// What to do; empty where the image passes.
	Remedy string `mapstructure:"remedy"`
}

// Partition is one entry of the partition table.
type Partition struct {
	// The number that Linux gives it.
	Number int `mapstructure:"number"`
	// Where it starts, in bytes.
	Start int64 `mapstructure:"start"`
	// How many bytes it has.
	Size int64 `mapstructure:"size"`
	// A GUID in lower case for GPT, such as `0x83` for MBR.
	Type string `mapstructure:"type"`
	// The GPT's label.
	Name string `mapstructure:"name"`
	// The PARTUUID as Linux prints it.
	UUID string `mapstructure:"uuid"`
}

// Kernel is one kernel that the image can boot.
type Kernel struct {
	// The version that `uname -r` would print.
	Version string `mapstructure:"version"`
	// The path of its image in the guest.
	Image string `mapstructure:"image"`
	// The path of its initramfs; empty where there is none.
	Initramfs string `mapstructure:"initramfs"`
}

// BootEntry is one entry of the boot loader's menu.
type BootEntry struct {
	// What the menu shows.
	Title string `mapstructure:"title"`
	// The path that the loader has for the kernel.
	Kernel string `mapstructure:"kernel"`
	// What the kernel gets.
	CommandLine string `mapstructure:"command_line"`
	// Whether it starts the system for repair only.
	Recovery bool `mapstructure:"recovery"`
	// Whether the loader starts it by itself.
	Default bool `mapstructure:"default"`
}

func outputOf(r *report.Report) (DatasourceOutput, error) {
	var document strings.Builder
	if err := r.WriteJSON(&document); err != nil {
		return DatasourceOutput{}, err
	}
	out := DatasourceOutput{
		Failing:    []string{},
		Verdicts:   map[string]string{},
		Properties: map[string]string{},
		Report:     document.String(),
	}
	for _, f := range requirement.Failing(r.Findings) {
		out.Failing = append(out.Failing, string(f.ID))
	}
	out.Ready = len(out.Failing) == 0
	for _, f := range r.Findings {
		out.Verdicts[string(f.ID)] = string(f.Verdict)
		out.Findings = append(out.Findings, Finding{
			ID: string(f.ID), Level: string(f.Requirement().Level), Verdict: string(f.Verdict), Evidence: f.Evidence, Remedy: f.RemedyText(),
		})
	}
	for _, p := range r.Properties {
		out.Properties[p.Name] = p.Value
	}
	out.addDisk(r.Facts)
	out.addGuest(r.Facts)
	out.addBoot(r.Facts)
	return out, nil
}

// addDisk says what the file and the disk in it are.
func (o *DatasourceOutput) addDisk(f inspect.Facts) {
	o.Format, o.FileSize, o.VirtualSize = string(f.Disk.Format), f.Disk.FileSize, f.Disk.VirtualSize
	o.Wrapping = []string{}
	for _, w := range f.Disk.Wrapping {
		o.Wrapping = append(o.Wrapping, string(w))
	}
	o.PartitionTable = string(f.Partitions.Kind)
	for _, p := range f.Partitions.Partitions {
		o.Partitions = append(o.Partitions, Partition{Number: p.Number, Start: p.Start, Size: p.Size, Type: p.Type, Name: p.Name, UUID: p.UUID})
	}
	o.RootPartition, o.RootVolume, o.RootFileSystem = f.Root.Partition, f.Root.Volume, f.Root.FileSystem
	o.RootUUID, o.RootSize, o.RootClean = f.Root.UUID, f.Root.Size, f.Root.Clean
}

// addGuest says what the installed system is, and what is installed.
func (o *DatasourceOutput) addGuest(f inspect.Facts) {
	o.OSID, o.OSIDLike = f.OS.ID, strings.Fields(f.OS.IDLike)
	o.OSVersion, o.OSName, o.Init, o.Architecture = f.OS.VersionID, f.OS.PrettyName, f.OS.Init, f.Architecture
	o.Packages = map[string]string{}
	if f.Packages != nil {
		o.PackageManager = f.Packages.Manager
		for _, p := range f.Packages.Packages {
			o.Packages[p.Name] = p.Version
		}
	}
	c := f.CloudInit
	o.CloudInitInstalled, o.CloudInitEnabled, o.CloudInitVersion, o.CloudInitUser = c.Installed, c.Enabled, c.Version, c.DefaultUser
	o.CloudInitDatasources = slices.Concat([]string{}, c.Datasources)
	o.GuestAgentInstalled, o.GuestAgentEnabled = f.GuestAgent.Installed, f.GuestAgent.Enabled
}

// addBoot says how the image starts.
func (o *DatasourceOutput) addBoot(f inspect.Facts) {
	o.BIOS, o.UEFI, o.BootLoaders = f.Boot.BIOS, f.Boot.UEFI, slices.Concat([]string{}, f.Boot.Loaders)
	for _, k := range f.Kernels {
		o.Kernels = append(o.Kernels, Kernel{Version: k.Version, Image: k.Image, Initramfs: k.Initramfs})
	}
	for _, e := range f.Boot.Entries {
		o.BootEntries = append(o.BootEntries, BootEntry{
			Title: e.Title, Kernel: e.Kernel, CommandLine: e.CommandLine, Recovery: e.Recovery, Default: e.Default,
		})
	}
}
