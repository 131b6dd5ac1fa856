package inspect

import (
	"fmt"
	"slices"

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
	l := g.layout
	for _, problem := range l.table.Problems {
		n.unmet("partition table: %s", problem)
	}
	holder := l.holder()
	if holder.part.Number == 0 {
		n.met("%s fills the whole disk, without a partition table", l.heldBy(holder))
		fillsVolume(g, n)
		return n.finding(requirement.PartitionLayout)
	}
	if last := l.lastPartition(); last.Number != holder.part.Number {
		n.unmet("%s is on %s, and behind it lies partition %d (%s): it can never grow",
			l.heldBy(holder), holder.name(), last.Number, last.TypeName)
	} else {
		n.met("%s", l.inWords(holder))
	}
	if holder.mirror != nil {
		n.unmet("%s is on %s, and nothing grows an array at boot", l.heldBy(holder), holder.name())
	}
	fencedIn(holder, l, n)
	fillsDisk(l, n)
	fillsPartition(holder, n)
	fillsVolume(g, n)
	return n.finding(requirement.PartitionLayout)
}

// holder is what has to grow for the root file system to grow: its partition,
// or the last one that its group of logical volumes has.
func (l layout) holder() *volume {
	holder := l.root
	if l.root.lv == nil {
		return holder
	}
	for _, v := range l.volumes {
		if v.pv != nil && slices.Contains(l.root.lv.Group.PVs, v.pv) && v.part.Start >= holder.part.Start {
			holder = v
		}
	}
	return holder
}

// heldBy says what of the root is on its holder.
func (l layout) heldBy(holder *volume) string {
	if holder == l.root {
		return fmt.Sprintf("the %s root file system", l.root.kind)
	}
	return fmt.Sprintf("the physical volume below %s, with the %s root file system,", l.root.name(), l.root.kind)
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
func (l layout) inWords(holder *volume) string {
	count := len(l.table.Partitions)
	switch {
	case holder != l.root:
		return fmt.Sprintf("%s is on %s, the last of %d partitions (%s table)", l.heldBy(holder), holder.name(), count, l.table.Kind)
	case count == 1:
		return fmt.Sprintf("one %s partition, number %d, no LVM (%s table)", holder.kind, holder.part.Number, l.table.Kind)
	}
	return fmt.Sprintf("%s is on %s, the last of %d partitions, no LVM (%s table)", l.heldBy(holder), holder.name(), count, l.table.Kind)
}

func (l layout) isGPT() bool { return l.table.Kind == partition.GPT }

// fencedIn notes a logical root partition: growpart would have to grow the
// extended one around it first, which it does not.
func fencedIn(holder *volume, l layout, n *notes) {
	for _, p := range l.table.Partitions {
		if p.Extended() && holder.part.Start >= p.Start && holder.part.End() <= p.End() {
			n.unmet("%s is a logical one inside the extended partition %d, which growpart does not grow", holder.name(), p.Number)
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

// fillsPartition notes space that a physical volume of LVM leaves in its
// partition. Less than what makes a step of fdisk is no fault.
func fillsPartition(holder *volume, n *notes) {
	if holder.pv == nil {
		return
	}
	free := holder.size() - holder.pv.Size
	if free > tableSlack {
		n.unmet("the physical volume has %d bytes, its partition %d: %s are unused", holder.pv.Size, holder.size(), humanSize(free))
		return
	}
	n.met("the physical volume has %d bytes of its partition's %d", holder.pv.Size, holder.size())
}

// fillsVolume notes space that the file system leaves in its partition or
// logical volume. Less than a step of the file system is no fault.
func fillsVolume(g *guest, n *notes) {
	root, where := g.layout.root, "partition"
	if root.lv != nil {
		where = "logical volume"
	}
	fs, size := g.facts.Root, root.size()
	free := size - fs.Size
	step := root.fs.Geometry.Step
	if free >= step {
		n.unmet("the file system has %d bytes, its %s %d: %s are unused", fs.Size, where, size, humanSize(free))
		return
	}
	if free < 0 {
		n.unmet("the file system claims %d bytes, and its %s has only %d", fs.Size, where, size)
		return
	}
	n.met("the file system has %d bytes of its %s's %d (less than %d may stay unused)", fs.Size, where, size, step)
}
