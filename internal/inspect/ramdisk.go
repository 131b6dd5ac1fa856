package inspect

import (
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"time"
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
	// read is closed when all of it is known.
	read chan struct{}
}

// growroot is what grows the root partition before it is mounted; it counts as
// a module here.
const growroot = "growroot"

// maxMember bounds what is read of one file in an initramfs.
const maxMember = 64 << 10

// readRamdisks reads the initramfs of every kernel, once for all requirements,
// and only until all that can be needed was seen; one from which nothing is
// needed is not read. To unpack them takes as long as all else, so it is done
// beside it; wait waits for its end.
func (g *guest) readRamdisks(ctx context.Context) (wait func()) {
	var searches []func()
	for _, k := range g.facts.Kernels {
		if g.ramdisks[k.Initramfs] != nil {
			continue
		}
		r := &ramdisk{found: map[string]string{}, read: make(chan struct{})}
		g.ramdisks[k.Initramfs] = r
		searches = append(searches, g.searchFor(ctx, k, r))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, search := range searches {
			search()
		}
	}()
	return func() { <-done }
}

// ramdisk returns what was found in a kernel's initramfs.
func (g *guest) ramdisk(k Kernel) *ramdisk {
	r := g.ramdisks[k.Initramfs]
	<-r.read
	return r
}

// searchFor opens a kernel's initramfs, if it is needed, and returns what
// searches it. That uses nothing of the guest that the looks use.
func (g *guest) searchFor(ctx context.Context, k Kernel, r *ramdisk) (search func()) {
	known := func() { close(r.read) }
	if k.Initramfs == "" {
		return known
	}
	wanted, whole := g.wantedEarly(k), g.hasOldCopies(k.Initramfs)
	if len(wanted) == 0 && !whole {
		return known
	}
	f, err := g.openInitramfs(k.Initramfs)
	if err != nil {
		r.err = err
		return known
	}
	return func() {
		defer known()
		r.err = errors.Join(r.search(ctx, k.Initramfs, f, g.early, wanted, whole), f.Close())
	}
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

// copied are the folders whose files with addresses of cards are copied into an
// initramfs (udev of Debian, its hook for initramfs-tools; dracut,
// modules.d/*udev-rules and *systemd-networkd).
var copied = []string{"/etc/udev/rules.d", "/etc/systemd/network"}

// hasOldCopies reports whether an initramfs can hold files that its guest has
// no more. They come behind the modules, so that it has to be read to its end.
func (g *guest) hasOldCopies(initramfs string) bool {
	made, err := g.stat(initramfs)
	if err != nil {
		return false // which openInitramfs runs into as well
	}
	return slices.ContainsFunc(copied, func(dir string) bool { return g.lostSince(made.ModTime(), dir) })
}

// lostSince reports whether a file, or what it had in it, may have gone from a
// folder, or with it. What was added last is no younger than its folder.
func (g *guest) lostSince(t time.Time, dir string) bool {
	folder, err := g.stat(dir)
	for err != nil && dir != "/" {
		dir = path.Dir(dir)
		folder, err = g.stat(dir)
	}
	if err != nil {
		return false
	}
	var youngest time.Time
	for _, file := range g.glob(&notes{}, dir, "*") {
		if info, err := g.lstat(file); err == nil && info.ModTime().After(youngest) {
			youngest = info.ModTime()
		}
	}
	if folder.ModTime().Before(t) {
		return !youngest.Before(t)
	}
	return youngest.Before(folder.ModTime())
}

// search looks for what is wanted until it has seen that, or through the whole.
func (r *ramdisk) search(ctx context.Context, file string, content io.Reader, spent *budget, wanted []string, whole bool) error {
	return readInitramfs(ctx, content, spent, func(m member) bool {
		name := strings.TrimPrefix(m.name, "./")
		if what := earlyPart(name); slices.Contains(wanted, what) && r.found[what] == "" {
			r.found[what] = name
		}
		if strings.HasSuffix(name, "-root.img") {
			r.inside = name
		}
		r.addMACs(file, name, m.content)
		return whole || len(r.found) < len(wanted)
	})
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

// earlyPlaces are where an initramfs alone keeps settings: initramfs-tools(7),
// and where udev's hook for it copies the files of /etc.
var earlyPlaces = []macPlace{
	{"/conf", []string{"initramfs.conf", "param.conf"}, nil},
	{"/conf/conf.d", []string{"*"}, nil},
	udevPlace("/lib/udev/rules.d"), udevPlace("/usr/lib/udev/rules.d"),
	networkdPlace("/lib/systemd/network"), networkdPlace("/usr/lib/systemd/network"),
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
