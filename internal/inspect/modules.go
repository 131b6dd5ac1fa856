package inspect

import (
	"fmt"
	"path"
	"strings"
)

// drivers are the modules that are looked for, each with the option of the
// kernel's build that makes it.
var drivers = map[string]string{
	"virtio_pci": "CONFIG_VIRTIO_PCI", "virtio_blk": "CONFIG_VIRTIO_BLK", "virtio_scsi": "CONFIG_SCSI_VIRTIO",
	"virtio_net": "CONFIG_VIRTIO_NET", "sr_mod": "CONFIG_BLK_DEV_SR", "isofs": "CONFIG_ISO9660_FS",
	"ata_piix": "CONFIG_ATA_PIIX", "ahci": "CONFIG_SATA_AHCI", "xen_blkfront": "CONFIG_XEN_BLKDEV_FRONTEND",
}

// modules are the drivers of one kernel.
type modules struct {
	dir     string
	builtIn map[string]bool
	// said is the file that says what is built in.
	said  string
	files map[string]string // module: its file, of those that are there
}

// modulesOf reads the drivers of a kernel, once for all requirements.
func (g *guest) modulesOf(k Kernel) (modules, error) {
	r, ok := g.drivers[k.Version]
	if !ok {
		r.modules, r.err = readModules(g, k)
		g.drivers[k.Version] = r
	}
	return r.modules, r.err
}

// driversRead is what was read of the drivers of one kernel.
type driversRead struct {
	modules modules
	err     error
}

// readModules reads what is built into a kernel, and modules.dep, by which
// modprobe goes. A kernel without modules has neither, and one of before
// 2.6.33 no list of what is built in: their configuration says it.
func readModules(g *guest, k Kernel) (modules, error) {
	m := modules{dir: path.Join(modulesDir, k.Version), builtIn: map[string]bool{}, files: map[string]string{}}
	options, err := g.readConfig(k)
	if err != nil {
		return m, err
	}
	if err := m.readBuiltIn(g, k, options); err != nil {
		return m, err
	}
	dep, err := g.read(path.Join(m.dir, "modules.dep"), maxModules)
	switch {
	case absent(err) && k.Config != "" && options["CONFIG_MODULES"] != "y":
		return m, nil
	case err != nil:
		return m, fmt.Errorf("%s/modules.dep: %w", m.dir, err)
	}
	return m, m.readFiles(g, string(dep))
}

func (m *modules) readBuiltIn(g *guest, k Kernel, options map[string]string) error {
	m.said = path.Join(m.dir, "modules.builtin")
	list, err := g.read(m.said, maxModules)
	switch {
	case err == nil:
		for file := range strings.Lines(string(list)) {
			m.builtIn[moduleName(strings.TrimSpace(file))] = true
		}
	case absent(err) && k.Config != "":
		m.said = k.Config
		for name, option := range drivers {
			m.builtIn[name] = options[option] == "y"
		}
	default:
		return fmt.Errorf("%s: %w", m.said, err)
	}
	return nil
}

// readFiles finds the files of the drivers that modules.dep names.
func (m *modules) readFiles(g *guest, dep string) error {
	for line := range strings.Lines(dep) {
		file, _, _ := strings.Cut(line, ":")
		name := moduleName(file)
		if drivers[name] == "" {
			continue
		}
		if !path.IsAbs(file) { // as it was in old ones
			file = path.Join(m.dir, file)
		}
		switch _, err := g.stat(file); {
		case err == nil:
			m.files[name] = file
		case !absent(err):
			return fmt.Errorf("%s: %w", quote(file), err)
		}
	}
	return nil
}

// readConfig reads the options of a kernel's build; none where there is no
// configuration.
func (g *guest) readConfig(k Kernel) (map[string]string, error) {
	options := map[string]string{}
	if k.Config == "" {
		return options, nil
	}
	b, err := g.read(k.Config, maxText)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(k.Config), err)
	}
	for _, setting := range settings(string(b)) {
		key, value, _ := strings.Cut(setting, "=")
		options[key] = value
	}
	return options, nil
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
	if m.builtIn[name] {
		return "built in (" + m.said + ")", true
	}
	file, ok := m.files[name]
	return file, ok
}
