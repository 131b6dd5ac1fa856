package inspect

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
)

// ramdisk is what was looked for in a kernel's initramfs.
type ramdisk struct {
	// found are the files of the modules, by their names, and of growroot.
	found map[string]string
	// inside is an image in it with files of its own, which are not read.
	inside string
	// macs are the lines with addresses of cards.
	macs []string
	err  error
}

// growroot is what grows the root partition before it is mounted; it counts as
// a module here.
const growroot = "growroot"

// maxMember bounds what is read of one file in an initramfs.
const maxMember = 64 << 10

// ramdisk reads a kernel's initramfs, once for all requirements, and only until
// all that can be needed was seen; one from which nothing is needed is not read.
func (g *guest) ramdisk(ctx context.Context, k Kernel) *ramdisk {
	if r := g.ramdisks[k.Initramfs]; r != nil {
		return r
	}
	r := &ramdisk{found: map[string]string{}}
	if wanted := g.wantedEarly(k); len(wanted) > 0 && k.Initramfs != "" {
		r.err = g.search(ctx, k.Initramfs, r, wanted)
	}
	g.ramdisks[k.Initramfs] = r
	return r
}

// wantedEarly are the modules that a kernel needs before / is mounted and does
// not have built in, and growroot where it can not take a partition's new size
// later: cloud-utils, growpart, needs kernel 3.8 for that.
func (g *guest) wantedEarly(k Kernel) []string {
	m, err := g.modulesOf(k)
	if err != nil {
		m.builtIn = nil // then anything may be needed
	}
	names := slices.Clone(bootModules)
	if older, ok := k.before3(0); ok && older {
		names = append(names, "xen_blkfront")
	}
	wanted := slices.DeleteFunc(names, func(name string) bool { return m.builtIn[name] })
	if older, ok := k.before3(8); ok && older {
		wanted = append(wanted, growroot)
	}
	return wanted
}

func (g *guest) search(ctx context.Context, file string, r *ramdisk, wanted []string) error {
	f, err := g.openInitramfs(file)
	if err != nil {
		return err
	}
	err = readInitramfs(ctx, f, &g.earlyLeft, func(m member) bool {
		name := strings.TrimPrefix(m.name, "./")
		if what := earlyPart(name); slices.Contains(wanted, what) && r.found[what] == "" {
			r.found[what] = name
		}
		if strings.HasSuffix(name, "-root.img") {
			r.inside = name
		}
		r.addMACs(file, name, m.content)
		return len(r.found) < len(wanted)
	})
	return errors.Join(err, f.Close())
}

// openInitramfs opens an initramfs, or that in a unified kernel image.
func (g *guest) openInitramfs(file string) (io.ReadCloser, error) {
	f, err := g.open(file)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(path.Ext(file), ".efi") {
		return f, nil
	}
	section, err := findSection(f, ".initrd")
	if err == nil && section == nil {
		err = errors.New("holds no initramfs")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{section, f}, nil
}

// earlyPart returns the name of the module that a file is, or growroot for the
// hook of that name: NNgrowroot.sh of dracut, growroot of initramfs-tools.
func earlyPart(name string) string {
	if module := moduleName(name); module != "" {
		return module
	}
	if base := strings.TrimLeft(path.Base(name), "0123456789"); strings.HasPrefix(base, growroot) {
		return growroot
	}
	return ""
}

// earlyPlaces are where an initramfs alone keeps settings: initramfs-tools(7).
var earlyPlaces = []macPlace{
	{"/conf", []string{"initramfs.conf", "param.conf"}, nil}, {"/conf/conf.d", []string{"*"}, nil},
}

func (p macPlace) matches(file string) bool {
	return slices.ContainsFunc(p.patterns, func(pattern string) bool { ok, err := path.Match(pattern, file); return ok && err == nil })
}

// addMACs adds the lines of a file that name a card by its address.
func (r *ramdisk) addMACs(initramfs, name string, content io.Reader) {
	dir, base := path.Split(path.Join("/", name))
	for _, place := range append(slices.Clone(earlyPlaces), macPlaces...) {
		if path.Clean(dir) != place.dir || !place.matches(base) {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(content, maxMember))
		if err != nil {
			return // which the search runs into as well
		}
		for line, setting := range settings(string(b)) {
			if findMAC(setting) != "" && place.asksFor(setting) && len(r.macs) <= maxEvidence {
				r.macs = append(r.macs, at(initramfs+", "+name, line, setting))
			}
		}
	}
}
