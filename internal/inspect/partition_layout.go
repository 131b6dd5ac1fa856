package inspect

import (
	"fmt"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// Slack that is no fault: partitioning tools align to 1 MiB and leave room for
// the backup GPT, and qemu-img rounds sizes of some formats.
const tableSlack = 4 << 20

// partitionLayout looks whether the root partition can grow to a larger disk,
// and whether table and file system describe the whole disk of today.
func partitionLayout(g *guest) requirement.Finding {
	n := &notes{}
	l, root := g.layout, g.layout.root
	for _, problem := range l.table.Problems {
		n.unmet("partition table: %s", problem)
	}
	if root.part.Number == 0 {
		n.met("the %s file system fills the whole disk, without a partition table", root.kind)
		fillsVolume(g, n)
		return n.finding(requirement.PartitionLayout)
	}
	if last := l.lastPartition(); last.Number != root.part.Number {
		n.unmet("the root file system is on %s, and behind it lies partition %d (%s): it can never grow",
			root.name(), last.Number, last.TypeName)
	} else {
		n.met("%s", l.inWords())
	}
	fencedIn(l, n)
	fillsDisk(l, n)
	fillsVolume(g, n)
	return n.finding(requirement.PartitionLayout)
}

// lastPartition returns the partition that starts last on the disk; a logical
// one counts, not the extended one around it.
func (l layout) lastPartition() partition.Partition {
	var last partition.Partition
	for _, p := range l.table.Partitions {
		if p.Start >= last.Start && !p.Extended() {
			last = p
		}
	}
	return last
}

// inWords says how the disk is cut up.
func (l layout) inWords() string {
	root := l.root
	if len(l.table.Partitions) == 1 {
		return fmt.Sprintf("one %s partition, number %d, no LVM (%s table)", root.kind, root.part.Number, l.table.Kind)
	}
	return fmt.Sprintf("the %s root file system is on %s, the last of %d partitions, no LVM (%s table)",
		root.kind, root.name(), len(l.table.Partitions), l.table.Kind)
}

func (l layout) isGPT() bool { return l.table.Kind == partition.GPT }

// fencedIn notes a logical root partition: growpart would have to grow the
// extended one around it first, which it does not.
func fencedIn(l layout, n *notes) {
	for _, p := range l.table.Partitions {
		if p.Extended() && l.root.part.Start >= p.Start && l.root.part.End() <= p.End() {
			n.unmet("%s is a logical one inside the extended partition %d, which growpart does not grow", l.root.name(), p.Number)
		}
	}
}

// fillsDisk notes space that the partition table leaves at the end of the disk.
func fillsDisk(l layout, n *notes) {
	end := l.lastPartition().End()
	if free := l.size - end; free > tableSlack {
		n.unmet("the partition table ends at byte %d of %d: %s of the disk are described by no partition",
			end, l.size, humanSize(free))
		return
	}
	n.met("the last partition ends at byte %d of the disk's %d", end, l.size)
}

// fillsVolume notes space that the file system leaves in its partition. Less
// than a step of the file system is no fault.
func fillsVolume(g *guest, n *notes) {
	root := g.layout.root
	fs := g.facts.Root
	free := root.part.Size - fs.Size
	step := root.fs.Geometry.Step
	if free >= step {
		n.unmet("the file system has %d bytes, its partition %d: %s are unused", fs.Size, root.part.Size, humanSize(free))
		return
	}
	if free < 0 {
		n.unmet("the file system claims %d bytes, and its partition has only %d", fs.Size, root.part.Size)
		return
	}
	n.met("the file system has %d bytes of its partition's %d (less than %d may stay unused)", fs.Size, root.part.Size, step)
}
