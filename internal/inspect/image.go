// Package inspect tells from a disk image, without booting or mounting it,
// what it holds and which requirements it meets.
package inspect

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// Result is what an inspection found.
type Result struct {
	Facts Facts `json:"facts"`
	// Findings has one finding for each requirement that a disk can be asked
	// for, in the order of the catalogue.
	Findings []requirement.Finding `json:"findings"`
}

// Image inspects an opened disk image. Nothing is mounted, run or written, and
// no file that the image names is opened outside of it.
//
// The error says why nothing could be inspected: no partition table and no file
// system, no root file system among those that can be read (the ones that were
// seen are listed), or a guest that is not Linux. Whatever else can not be read
// makes single findings unknown.
func Image(ctx context.Context, img *disk.Image) (*Result, error) {
	l, err := readLayout(img, img.Size())
	if err != nil {
		return nil, err
	}
	if err := l.findRoot(); err != nil {
		return nil, err
	}
	t, unclean, err := l.guestTree()
	if err != nil {
		return nil, err
	}
	facts := &Facts{Disk: img.Info(), Partitions: l.table, Root: l.rootFacts()}
	if facts.OS, err = readOS(t); err != nil {
		return nil, err
	}
	g := newGuest(t, l, facts)
	facts.Boot.BIOS, facts.Boot.BIOSLoader = findLoader(img, l.table)
	g.findUEFI()
	findings := doubt(g.findings(ctx), unclean)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("inspecting the image: %w", err)
	}
	return &Result{Facts: *facts, Findings: withFormat(findings, img)}, nil
}

// newGuest reads what several findings need, once.
func newGuest(t *tree, l layout, facts *Facts) *guest {
	g := &guest{
		tree: t, facts: facts, layout: l, config: loadConfig(t), installed: loadInstalled(t, facts.OS),
		drivers: map[string]driversRead{}, ramdisks: map[string]*ramdisk{}, early: &budget{most: maxEarly},
	}
	facts.Architecture, _ = architecture(t)
	facts.Packages = g.installed.db
	if g.installed.err != nil {
		facts.PackagesUnknown = g.installed.err.Error()
	}

	boot := &notes{}
	facts.Kernels = kernels(t, boot)
	facts.Boot.Entries, facts.Boot.Loaders = bootEntries(t, boot, bootFolders)
	g.bootErr = boot.err()

	facts.OS.Init = findInit(t, facts.Boot.Entries)
	cloud := &notes{}
	if generated, ok := cloudGenerator(t, cloud); ok {
		g.services, g.units = loadServices(t, facts.OS.Init, facts.Boot.Entries, generated)
	} else {
		g.services, g.units = loadServices(t, facts.OS.Init, facts.Boot.Entries)
	}
	facts.CloudInit = cloudInitFacts(g, cloud)
	facts.GuestAgent = guestAgentFacts(g, cloud)
	g.cloudOpen = cloud.err()
	return g
}

// looks holds the look at each requirement but those of early, and image-format,
// which is about the file and not about the guest.
var looks = map[requirement.ID]lookFunc{
	requirement.PartitionLayout: partitionLayout,
	requirement.SSHServer:       sshServer,
	requirement.NoFirewall:      noFirewall,
	requirement.SSHKey:          sshKey,
	requirement.UserData:        userData,
	requirement.ConsoleLog:      consoleLog,
	requirement.Datasource:      datasource,
	requirement.DHCP:            dhcp,
	requirement.IdentityReset:   identityReset,
	requirement.NoSecrets:       noSecrets,
	requirement.ACPIShutdown:    acpiShutdown,
	requirement.GuestAgent:      guestAgent,
}

// early holds the looks that wait for what is in an initramfs.
var early = map[requirement.ID]lookFunc{
	requirement.RootResize:     rootResize,
	requirement.NoHardcodedMAC: noHardcodedMAC,
	requirement.XenPVKernel:    xenPVKernel,
	requirement.Virtio:         virtio,
}

type lookFunc func(*guest) requirement.Finding

// findings takes every look, those that wait at the end.
func (g *guest) findings(ctx context.Context) []requirement.Finding {
	wait := g.readRamdisks(ctx)
	defer wait()
	var findings []requirement.Finding
	for _, some := range []map[requirement.ID]lookFunc{looks, early} {
		for _, r := range requirement.SeenFrom(requirement.Disk) {
			if look, ok := some[r.ID]; ok && ctx.Err() == nil {
				findings = append(findings, look(g))
			}
		}
	}
	return findings
}

// doubt makes every finding unknown where a file system was not unmounted: what
// its journal holds may turn an unmet requirement into a met one as well as the
// other way round. What was seen stays in the evidence.
func doubt(findings []requirement.Finding, unclean []string) []requirement.Finding {
	if len(unclean) == 0 {
		return findings
	}
	reason := strings.Join(unclean, "; ") + "; shut the build VM down in order, or run fsck on the image, and inspect again"
	for i, f := range findings {
		seen := fmt.Sprintf("as the file system stands, without its journal, the requirement is %s:", f.Verdict)
		findings[i].Verdict = requirement.Unknown
		findings[i].Evidence = append([]string{reason, seen}, f.Evidence...)
	}
	return findings
}

// withFormat puts the finding on the image's format at its place.
func withFormat(findings []requirement.Finding, img *disk.Image) []requirement.Finding {
	var all []requirement.Finding
	for _, r := range requirement.SeenFrom(requirement.Disk) {
		if r.ID == requirement.ImageFormat {
			all = append(all, imageFormat(img.Info(), img.Problems()))
			continue
		}
		for _, f := range findings {
			if f.ID == r.ID {
				all = append(all, f)
			}
		}
	}
	return all
}

func (l layout) rootFacts() Root {
	g := l.root.fs.Geometry
	return Root{
		Partition: l.root.part.Number, Volume: l.root.lvName(), FileSystem: g.Type, UUID: g.UUID, Label: g.Label,
		Size: g.Bytes, Clean: g.Clean, Unclean: g.Unclean,
	}
}

// err returns what stayed open as one error, or nil.
func (n *notes) err() error {
	if len(n.open) == 0 {
		return nil
	}
	return errors.New(strings.Join(cut(n.open), "; "))
}
