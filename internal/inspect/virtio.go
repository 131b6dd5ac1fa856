package inspect

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// bootModules are needed before / is mounted: Nova's disk is on virtio-blk, or
// on virtio-scsi where the image asks for it (nova, libvirt/blockinfo.py).
var bootModules = []string{"virtio_pci", "virtio_blk", "virtio_scsi"}

// driveModules read a config drive, an ISO 9660 CD-ROM; one of the controllers
// of each machine type must be there: IDE of pc, SATA of q35 (nova,
// libvirt/blockinfo.py, get_disk_bus_for_device_type), else virtio-scsi.
var (
	driveModules     = []string{"sr_mod", "isofs"}
	driveControllers = map[string][]string{"x86_64": {"ata_piix", "ahci"}, "i686": {"ata_piix", "ahci"}}
)

// virtio looks for the drivers of every kernel that the image can boot.
func virtio(ctx context.Context, g *guest) requirement.Finding {
	n := &notes{}
	if g.bootErr != nil {
		n.unknown("%v", g.bootErr)
	}
	if len(g.facts.Kernels) == 0 {
		n.unknown("no kernel was found in /boot")
	}
	for _, k := range g.facts.Kernels {
		m, err := readModules(g, k)
		if err != nil {
			n.unknown("%s: %v", quote(k.Version), err)
			continue
		}
		diskDrivers(ctx, g, n, k, m)
		networkDriver(n, k, m)
		configDrive(g, n, k, m)
	}
	return n.finding(requirement.Virtio)
}

// modules are the drivers of one kernel.
type modules struct {
	dir     string
	builtIn []string
	files   map[string]string // module: its file, of those that are there
}

// readModules reads modules.builtin and modules.dep, by which modprobe goes.
func readModules(g *guest, k Kernel) (modules, error) {
	m := modules{dir: path.Join("/lib/modules", k.Version), files: map[string]string{}}
	builtIn, err := g.read(path.Join(m.dir, "modules.builtin"), maxModules)
	if err != nil {
		return m, fmt.Errorf("%s/modules.builtin: %w", m.dir, err)
	}
	for file := range strings.Lines(string(builtIn)) {
		m.builtIn = append(m.builtIn, moduleName(strings.TrimSpace(file)))
	}
	dep, err := g.read(path.Join(m.dir, "modules.dep"), maxModules)
	if err != nil {
		return m, fmt.Errorf("%s/modules.dep: %w", m.dir, err)
	}
	for line := range strings.Lines(string(dep)) {
		file, _, _ := strings.Cut(line, ":")
		if name := moduleName(file); m.wanted(name) {
			switch _, err := g.stat(path.Join(m.dir, file)); {
			case err == nil:
				m.files[name] = path.Join(m.dir, file)
			case !absent(err):
				return m, fmt.Errorf("%s: %w", quote(path.Join(m.dir, file)), err)
			}
		}
	}
	return m, nil
}

func (m modules) wanted(name string) bool {
	return name == "virtio_net" || slices.Contains(bootModules, name) || slices.Contains(driveModules, name) ||
		slices.Contains(driveControllers["x86_64"], name)
}

// moduleName returns the name of a module's file, which may be compressed.
func moduleName(file string) string {
	for _, suffix := range []string{".ko", ".ko.xz", ".ko.zst", ".ko.gz"} {
		if name, ok := strings.CutSuffix(path.Base(file), suffix); ok {
			return strings.ReplaceAll(name, "-", "_")
		}
	}
	return ""
}

// find returns where a module is, built in or a file.
func (m modules) find(name string) (string, bool) {
	if slices.Contains(m.builtIn, name) {
		return "built in (" + m.dir + "/modules.builtin)", true
	}
	file, ok := m.files[name]
	return file, ok
}

// diskDrivers notes the drivers that must be in the kernel or its initramfs.
func diskDrivers(ctx context.Context, g *guest, n *notes, k Kernel, m modules) {
	missing := slices.DeleteFunc(slices.Clone(bootModules), func(name string) bool { return slices.Contains(m.builtIn, name) })
	if len(missing) == 0 {
		n.met("%s: %s are built in (%s/modules.builtin)", quote(k.Image), strings.Join(bootModules, ", "), m.dir)
		return
	}
	if k.Initramfs == "" {
		n.lacks("%s: %s not built in, and the kernel has no initramfs", quote(k.Image), strings.Join(missing, ", "))
		return
	}
	found, left, err := searchInitramfs(ctx, g, k.Initramfs, missing)
	switch {
	case err != nil:
		n.unknown("%s: %v", quote(k.Initramfs), err)
	case len(left) > 0:
		n.unmet("%s: %s neither built in nor in the initramfs", quote(k.Initramfs), strings.Join(left, ", "))
	default:
		n.met("%s: %s", quote(k.Initramfs), strings.Join(found, ", "))
	}
}

// searchInitramfs returns the files of the wanted modules in an initramfs, and
// the modules that are not in it.
func searchInitramfs(ctx context.Context, g *guest, file string, wanted []string) (found, left []string, err error) {
	f, err := g.open(file)
	if err != nil {
		return nil, nil, err
	}
	left = slices.Clone(wanted)
	err = readInitramfs(ctx, f, func(m member) bool {
		if i := slices.Index(left, moduleName(m.name)); i >= 0 {
			left = slices.Delete(left, i, i+1)
			found = append(found, quote(m.name))
		}
		return len(left) > 0
	})
	return found, left, errors.Join(err, f.Close())
}

// networkDriver notes virtio_net, which is loaded after / is mounted.
func networkDriver(n *notes, k Kernel, m modules) {
	if where, ok := m.find("virtio_net"); ok {
		n.met("%s: virtio_net: %s", quote(k.Version), where)
		return
	}
	n.lacks("%s: virtio_net is neither built in nor in %s", quote(k.Version), m.dir)
}

// configDrive notes what a config drive is read with.
func configDrive(g *guest, n *notes, k Kernel, m modules) {
	for _, name := range driveModules {
		if _, ok := m.find(name); !ok {
			n.lacks("%s: %s is neither built in nor in %s: a config drive is not seen", quote(k.Version), name, m.dir)
			return
		}
	}
	controllers := driveControllers[g.facts.Architecture]
	var found, lacking []string
	for _, name := range controllers {
		if _, ok := m.find(name); ok {
			found = append(found, name)
		} else {
			lacking = append(lacking, name)
		}
	}
	switch {
	case len(controllers) == 0 || len(lacking) == 0:
		n.met("%s: a config drive is read with %s", quote(k.Version), strings.Join(append(found, driveModules...), ", "))
	case len(found) == 0:
		n.lacks("%s: none of %s is there: a config drive is not seen", quote(k.Version), strings.Join(controllers, ", "))
	default:
		n.met("%s: a config drive is read with %s; without %s not on every machine type (pc: ata_piix, q35: ahci)",
			quote(k.Version), strings.Join(append(found, driveModules...), ", "), strings.Join(lacking, ", "))
	}
}
