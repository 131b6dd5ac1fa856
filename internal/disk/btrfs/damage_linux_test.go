package btrfs_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/btrfs"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/disktest"
)

type damage struct {
	name   string
	change func(image)
	want   string
}

// refuses damages the image in each way, with right checksums.
func refuses(t *testing.T, want error, tests []damage) {
	t.Helper()
	whole := damageable(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := whole.changed(test.change)
			if bytes.Equal(m, whole) {
				t.Fatal("nothing was changed")
			}
			if err := m.firstError(); !errors.Is(err, want) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %v that says %q", err, want, test.want)
			}
		})
	}
}

func put16(at int, value uint16) func(image) {
	return func(m image) { le.PutUint16(m[super+at:], value) }
}

func put32(at int, value uint32) func(image) {
	return func(m image) { le.PutUint32(m[super+at:], value) }
}

func put64(at int, value uint64) func(image) {
	return func(m image) { le.PutUint64(m[super+at:], value) }
}

// set64, set32 and set8 change the data of all items of a kind.
func set64(tree uint64, kind byte, at int, value uint64) func(image) {
	return func(m image) { m.items(tree, kind, func(_, data []byte) { le.PutUint64(data[at:], value) }) }
}

func set32(tree uint64, kind byte, at int, value uint32) func(image) {
	return func(m image) { m.items(tree, kind, func(_, data []byte) { le.PutUint32(data[at:], value) }) }
}

func set8(tree uint64, kind byte, at int, value byte) func(image) {
	return func(m image) { m.items(tree, kind, func(_, data []byte) { data[at] = value }) }
}

func TestSuperblockThatIsImpossibleIsCorrupt(t *testing.T) {
	refuses(t, diskerr.ErrCorrupt, []damage{
		{"place", put64(0x30, 1<<26), "it says that it lies at byte 67108864"},
		{"device of another file system", put64(0xc9+0x52, 1), "belongs to another file system"},
		{"sectors of no size", put32(0x90, 0), "impossible sector size 0"},
		{"sectors of an odd size", put32(0x90, 5000), "impossible sector size 5000"},
		{"sectors that are too large", put32(0x90, 1<<17), "impossible sector size 131072"},
		{"nodes smaller than sectors", put32(0x94, 2048), "impossible node size 2048"},
		{"nodes that are too large", put32(0x94, 1<<17), "impossible node size 131072"},
		{"device of no size", put64(0xc9+8, 0), "impossible device size 0"},
		{"device larger than the partition", put64(0xc9+8, 17<<20), "Linux refuses to mount it"},
		{"system chunks", put32(0xa0, 2049), "2049 bytes of system chunks"},
		{"half a system chunk", put32(0xa0, 96), "do not fit"},
		{"no system chunk", put32(0xa0, 0), "no chunk has the 4096 bytes"},
		{"root tree's address", put64(0x50, math.MaxUint64-4095), "no chunk has the 4096 bytes"},
		{"root tree's level", func(m image) { m[super+0xc6] = 200 }, "it is of level 0, want 200"},
		{"generation", put64(0x48, 3), "want 3"},
		{"chunk tree's generation", put64(0xa4, 3), "want 3"},
	})
}

func TestWhatIsNotReadIsUnsupportedAndNamed(t *testing.T) {
	refuses(t, diskerr.ErrUnsupported, []damage{
		{"zoned", put64(0xbc, 0x1000), "zoned"},
		{"extent tree v2", put64(0xbc, 0x2000), "extent_tree_v2"},
		{"raid stripe tree", put64(0xbc, 0x4000), "raid_stripe_tree"},
		{"feature to come", put64(0xbc, 1<<40), "0x10000000000"},
		{"checksums to come", put16(0xc4, 9), "unknown checksum type 9"},
		{"two devices", put64(0x88, 2), "spread over 2 devices"},
		{"dump of metadata", put64(0x38, 1<<33), "btrfs-image"},
		{"conversion", put64(0x38, 1<<35|1), "was not finished"},
		{"RAID1", set64(chunkTree, chunkItem, 0x18, 1|4|16), "profile RAID1"},
		{"RAID0", set64(chunkTree, chunkItem, 0x18, 1|8), "profile RAID0"},
		{"RAID6", set64(chunkTree, chunkItem, 0x18, 1|256), "profile RAID6"},
		{"profile to come", set64(chunkTree, chunkItem, 0x18, 1<<40|1024|1), "RAID1C4"},
		{"other device", set64(chunkTree, chunkItem, 0x30, 2), "on device 2"},
		{"encryption", set8(fsTree, extentData, 17, 1), "encrypted"},
		{"compression to come", set8(fsTree, extentData, 16, 4), "unknown compression 4"},
	})
}

func TestNodeThatIsImpossibleIsCorrupt(t *testing.T) {
	every := func(change func(n []byte)) func(image) {
		return func(m image) {
			for _, n := range m.nodes(fsTree) {
				change(n)
			}
		}
	}
	inner := func(change func(n []byte)) func(image) {
		return every(func(n []byte) {
			if n[100] == 1 {
				change(n)
			}
		})
	}
	leaf := func(change func(n []byte)) func(image) { return func(m image) { m.leaves(fsTree, change) } }
	refuses(t, diskerr.ErrCorrupt, []damage{
		{"address", every(func(n []byte) { le.PutUint64(n[48:], 4096) }), "its address is 4096"},
		{"file system", every(func(n []byte) { n[32] ^= 1 }), "another file system"},
		{"generation", leaf(func(n []byte) { n[80] ^= 0x40 }), "it is of generation"},
		{"level", leaf(func(n []byte) { n[100] = 1 }), "it is of level 1, want 0"},
		{"count", leaf(func(n []byte) { le.PutUint32(n[96:], 160) }), "impossible count of 160"},
		{"count in 32 bits", leaf(func(n []byte) { le.PutUint32(n[96:], math.MaxUint32) }), "impossible count"},
		{"empty leaf", leaf(func(n []byte) { le.PutUint32(n[96:], 0) }), "is empty"},
		{"empty inner node", inner(func(n []byte) { le.PutUint32(n[96:], 0) }), "impossible count of 0"},
		{"order", leaf(func(n []byte) { le.PutUint64(n[nodeHeader:], math.MaxUint64) }), "out of order"},
		{"order of pointers", inner(func(n []byte) { le.PutUint64(n[nodeHeader:], math.MaxUint64) }), "out of order"},
		{"data behind the node", leaf(func(n []byte) { le.PutUint32(n[nodeHeader+21:], 4096) }), "is outside"},
		{"data in the headers", leaf(func(n []byte) { le.PutUint32(n[nodeHeader+17:], 8) }), "is outside"},
		{"data in 32 bits", leaf(func(n []byte) { le.PutUint32(n[nodeHeader+17:], math.MaxUint32) }), "is outside"},
		{"first key", inner(func(n []byte) {
			for i := 1; i < int(le.Uint32(n[96:])); i++ {
				n[nodeHeader+i*ptrTo+9]++
			}
		}), "but the node above says"},
		{"last key", inner(func(n []byte) { copy(n[nodeHeader+ptrTo:nodeHeader+ptrTo+17], nextKey(n)) }), "belongs to the node behind"},
		{"pointer to itself", inner(func(n []byte) { copy(n[nodeHeader+17:], append(bytes.Clone(n[48:56]), n[80:88]...)) }), "it is of level 1, want 0"},
		{"pointer out of all chunks", inner(func(n []byte) { le.PutUint64(n[nodeHeader+17:], 1<<60) }), "no chunk has"},
		{"pointer across the last chunk's end", func(m image) {
			end := uint64(0)
			m.items(chunkTree, chunkItem, func(h, data []byte) { end = max(end, le.Uint64(h[9:])+le.Uint64(data)) })
			inner(func(n []byte) { le.PutUint64(n[nodeHeader+17:], end-2048) })(m)
		}, "no chunk has"},
	})
}

// nextKey is the key after the first one of the node.
func nextKey(n []byte) []byte {
	k := bytes.Clone(n[nodeHeader : nodeHeader+17])
	k[9]++
	return k
}

func TestChunkThatIsImpossibleIsCorrupt(t *testing.T) {
	refuses(t, diskerr.ErrCorrupt, []damage{
		{"length 0", set64(chunkTree, chunkItem, 0, 0), "impossible length 0"},
		{"length beyond all addresses", set64(chunkTree, chunkItem, 0, math.MaxUint64-4095), "impossible length"},
		{"odd length", set64(chunkTree, chunkItem, 0, 4097), "impossible length 4097"},
		{"outside of the device", set64(chunkTree, chunkItem, 0x38, 16<<20), "outside of the device"},
		{"far outside of the device", set64(chunkTree, chunkItem, 0x38, math.MaxUint64-4095), "outside of the device"},
		{"many copies", set8(chunkTree, chunkItem, 0x2c, 200), "200 copies do not fit"},
		{"no copy", set8(chunkTree, chunkItem, 0x2c, 0), "0 copies, want 1"},
		{"copies of DUP", set64(chunkTree, chunkItem, 0x18, 1|4|32), "1 copies, want 2"},
		{"overlap", func(m image) {
			m.items(chunkTree, chunkItem, func(h, data []byte) {
				le.PutUint64(data, 4<<20)
				le.PutUint64(data[0x38:], 0)
				if at := le.Uint64(h[9:]); at > 4<<20 {
					le.PutUint64(h[9:], at-4096)
				}
			})
		}, "overlap"},
	})
}

func TestRootThatIsImpossibleIsCorrupt(t *testing.T) {
	refuses(t, diskerr.ErrCorrupt, []damage{
		{"level", set8(rootTree, rootItem, 238, 9), "want 9"},
		{"address", set64(rootTree, rootItem, 176, 1<<50), "no chunk has"},
		{"directory", set64(rootTree, rootItem, 168, 300), "impossible root directory 300"},
		{"size of the item", func(m image) {
			m.items(rootTree, rootItem, func(h, _ []byte) { le.PutUint32(h[21:], 200) })
		}, "root item of 200 bytes"},
		{"name of the default subvolume", set8(rootTree, 84, 27, 200), "directory entry with a name of 200 bytes"},
		{"size of the default subvolume's entry", func(m image) {
			m.items(rootTree, 84, func(h, _ []byte) { le.PutUint32(h[21:], 20) })
		}, "directory entry of 20 bytes"},
	})
}

func TestInodeAndDirectoryThatAreImpossibleAreCorrupt(t *testing.T) {
	rename := func(kind byte, at int, name string) func(image) {
		return func(m image) { m.items(fsTree, kind, func(_, data []byte) { copy(data[at:], name) }) }
	}
	refuses(t, diskerr.ErrCorrupt, []damage{
		{"mode 0", set32(fsTree, inodeItem, 52, 0), "it is not in use"},
		{"no links", set32(fsTree, inodeItem, 40, 0), "it is not in use"},
		{"size below 0", set64(fsTree, inodeItem, 16, 1<<63), "impossible size"},
		{"root that is a file", set32(fsTree, inodeItem, 52, 0o100644), "root directory: it is not a directory"},
		{"size of the item", func(m image) {
			m.items(fsTree, inodeItem, func(h, _ []byte) { le.PutUint32(h[21:], 159) })
		}, "inode item of 159 bytes"},
		{"target of no length", func(m image) {
			m.items(fsTree, inodeItem, func(_, data []byte) {
				if le.Uint32(data[52:])&0o170000 == 0o120000 {
					le.PutUint64(data[16:], 0)
				}
			})
		}, "symbolic link of 0 bytes"},
		{"target of a great length", func(m image) {
			m.items(fsTree, inodeItem, func(_, data []byte) {
				if le.Uint32(data[52:])&0o170000 == 0o120000 {
					le.PutUint64(data[16:], 1<<40)
				}
			})
		}, "symbolic link of 1099511627776 bytes"},
		{"name with a slash", rename(dirIndex, 30, "/"), "impossible name"},
		{"name with a zero", rename(dirIndex, 30, "\x00"), "impossible name"},
		{"no name", set8(fsTree, dirIndex, 27, 0), "impossible name"},
		{"name longer than the item", set8(fsTree, dirIndex, 27, 250), "with a name of 250 bytes"},
		{"entry of another kind", set8(fsTree, dirIndex, 8, 84), "it names an item of kind 84"},
		{"entry of an inode that is not there", set64(fsTree, dirIndex, 0, 1<<39), "it does not exist"},
		{"entry of an inode that can not be", set64(fsTree, dirIndex, 0, 1<<50), "it does not exist"},
		{"entry of the directory itself", set64(fsTree, dirIndex, 0, 256), "directory"},
		{"size of an entry", func(m image) {
			m.items(fsTree, dirIndex, func(h, _ []byte) { le.PutUint32(h[21:], 29) })
		}, "directory entry of 29 bytes"},
		{"directory in another one", func(m image) {
			m.items(fsTree, inodeRef, func(h, _ []byte) {
				if le.Uint64(h) != 256 {
					le.PutUint64(h[9:], le.Uint64(h[9:])+1)
				}
			})
		}, "says"},
		{"size of a reference", set8(fsTree, inodeRef, 8, 200), "reference of"},
	})
}

func TestExtentThatIsImpossibleIsCorrupt(t *testing.T) {
	regular := func(at int, value uint64) func(image) {
		return func(m image) {
			m.items(fsTree, extentData, func(_, data []byte) {
				if data[20] == 1 {
					le.PutUint64(data[at:], value)
				}
			})
		}
	}
	packed := func(at int, value uint64) func(image) {
		return func(m image) {
			m.items(fsTree, extentData, func(_, data []byte) { data[16] = 2 * data[20] })
			regular(at, value)(m)
		}
	}
	inline := func(change func(header, data []byte)) func(image) {
		return func(m image) {
			m.items(fsTree, extentData, func(h, data []byte) {
				if data[20] == 0 {
					change(h, data)
				}
			})
		}
	}
	refuses(t, diskerr.ErrCorrupt, []damage{
		{"type", set8(fsTree, extentData, 20, 3), "unknown type 3"},
		{"size of the item", func(m image) {
			m.items(fsTree, extentData, func(h, _ []byte) { le.PutUint32(h[21:], 20) })
		}, "item of 20 bytes"},
		{"size of a regular item", set8(fsTree, extentData, 20, 1), "bytes"},
		{"address in no chunk", regular(21, 1<<60), "no chunk has"},
		{"odd address", regular(21, 5<<20+1), "impossible place"},
		{"length on the disk", regular(29, 1<<40), "no chunk has"},
		{"bytes of no length", regular(45, 0), "impossible place"},
		{"bytes that the extent lacks", regular(45, 1<<20), "of the 12288 that it has"},
		{"start behind the extent", regular(37, 1<<20), "of the 12288 that it has"},
		{"start far behind the extent", regular(37, math.MaxUint64-4095), "of the 12288 that it has"},
		{"end beyond all files", regular(45, math.MaxUint64-4095), "impossible place"},
		{"inline data behind the start", inline(func(h, _ []byte) { le.PutUint64(h[9:], 4096) }), "not at the start"},
		{"inline data of another length", inline(func(_, data []byte) { data[8]++ }), "bytes of data in the item, want"},
		{"inline data of a great length", inline(func(_, data []byte) { le.PutUint64(data[8:], 1<<40) }), "1099511627776 bytes of data"},
		{"inline data of another compression", inline(func(_, data []byte) { data[16] = 1 }), "zlib"},
		{"inline data of zstd", inline(func(_, data []byte) { data[16] = 3 }), "zstd"},
		{"inline data of lzo", inline(func(_, data []byte) { data[16] = 2 }), "lzo"},
		{"packed length", packed(29, 1<<20), "compressed bytes that make"},
		{"unpacked length", packed(8, 1<<40), "compressed bytes that make"},
		{"unpacked bytes that are not there", packed(37, 1<<16), "that it has unpacked"},
		{"no checksum", func(m image) {
			m.items(checksumTree, extentSum, func(h, _ []byte) { le.PutUint64(h[9:], le.Uint64(h[9:])+4096) })
		}, "has no checksum"},
		{"fewer checksums", func(m image) {
			m.items(checksumTree, extentSum, func(h, _ []byte) { le.PutUint32(h[21:], 4) })
		}, "has no checksum"},
		{"no checksum tree", func(m image) {
			m.items(rootTree, rootItem, func(h, data []byte) {
				if le.Uint64(h) == checksumTree {
					le.PutUint32(data[216:], 0)
				}
			})
		}, "has no checksum tree"},
	})
}

func TestDataWithoutChecksumsIsReadWhereItsInodeHasNone(t *testing.T) {
	m := damageable(t).changed(func(m image) {
		set64(fsTree, inodeItem, 64, 1)(m)
		m.items(checksumTree, extentSum, func(h, _ []byte) { le.PutUint64(h[9:], 1<<40) })
	})
	if err := m.firstError(); err != nil {
		t.Error(err)
	}
}

func TestOpenTellsWhatIsNotThereFromWhatIsBroken(t *testing.T) {
	whole := damageable(t)
	for _, test := range []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, diskerr.ErrNotFound},
		{"zeros", make([]byte, 1<<20), diskerr.ErrNotFound},
		{"cut off in the superblock", whole[:super+100], diskerr.ErrNotFound},
		{"cut off", whole[:15<<20], diskerr.ErrCorrupt},
	} {
		if _, err := btrfs.Open(bytes.NewReader(test.data), int64(len(test.data))); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func TestWholeCopyOfABrokenSuperblockIsToldOf(t *testing.T) {
	path := mounted(t, "telling of copies of the superblock", func(string) {})
	for name, test := range map[string]struct {
		broken []int64
		want   bool
	}{"first": {[]int64{super}, true}, "both": {[]int64{super, 64 << 20}, false}} {
		_, err := tryOpen(t, flipped(t, path, test.broken))
		if !errors.Is(err, diskerr.ErrCorrupt) || strings.Contains(err.Error(), "copy at byte 67108864 is whole") != test.want {
			t.Errorf("%s: got %v, want advice: %v", name, err, test.want)
		}
	}
}

// TestWhatOnlyWritersMustKnowIsRead: features such as the block group tree are
// compatible with readers.
func TestWhatOnlyWritersMustKnowIsRead(t *testing.T) {
	m := damageable(t).changed(put64(0xb4, 1<<63|1<<3|3))
	if err := m.firstError(); err != nil {
		t.Error(err)
	}
	v, err := btrfs.Open(bytes.NewReader(m), int64(len(m)))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(v.Geometry().Features, " ")
	if want := "free_space_tree free_space_tree_valid block_group_tree 0x8000000000000000"; !strings.HasSuffix(got, want) {
		t.Errorf("features: got %s, want %s at the end", got, want)
	}
}

func TestFileSystemWithErrorsIsUnclean(t *testing.T) {
	m := damageable(t).changed(put64(0x38, 1|1<<2))
	v, err := btrfs.Open(bytes.NewReader(m), int64(len(m)))
	if err != nil {
		t.Fatal(err)
	}
	if g := v.Geometry(); g.Clean || !strings.Contains(g.Unclean, "btrfs check") {
		t.Errorf("got %v %q, want unclean", g.Clean, g.Unclean)
	}
}

// nested is an image with one subvolume in another one.
func nested(t testing.TB) image {
	t.Helper()
	const what = "refusing subvolumes that are impossible"
	disktest.Need(t, what, "mkfs.btrfs", "btrfs")
	path := makeFS(t, "", "16M", "--mixed", "-m", "single", "-d", "single", "-n", "4096")
	disktest.Mount(t, what, path, "btrfs", "defaults", func(dir string) {
		disktest.Run(t, "btrfs", "subvolume", "create", filepath.Join(dir, "outer"))
		disktest.Run(t, "btrfs", "subvolume", "create", filepath.Join(dir, "outer/inner"))
		write(t, filepath.Join(dir, "outer/inner/file"), "content")
	})
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSubvolumeThatIsImpossibleIsCorrupt(t *testing.T) {
	whole := nested(t)
	if err := whole.changed(func(image) {}).firstError(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []damage{
		{"in each other", func(m image) {
			m.items(rootTree, rootBackref, func(h, _ []byte) {
				if le.Uint64(h) == 256 {
					le.PutUint64(h[9:], 257)
				}
			})
		}, "its path has more than 4096 bytes"},
		{"in a directory that is not there", set64(rootTree, rootBackref, 0, 999), "it lies in no directory"},
		{"in a subvolume that is not there", func(m image) {
			m.items(rootTree, rootItem, func(h, data []byte) {
				if le.Uint64(h) == 256 {
					le.PutUint32(data[216:], 0)
				}
			})
		}, "it lies in the subvolume 256, which is not there"},
		{"name", func(m image) {
			m.items(rootTree, rootBackref, func(_, data []byte) { data[18] = '/' })
		}, "impossible name"},
		{"length of the name", set8(rootTree, rootBackref, 16, 200), "reference to a subvolume of"},
		{"length of the other name", set8(rootTree, rootRef, 16, 200), "reference to a subvolume of"},
		{"no root", func(m image) {
			m.items(rootTree, rootItem, func(h, data []byte) {
				if le.Uint64(h) == 257 {
					le.PutUint64(data[176:], 1<<50)
				}
			})
		}, "no chunk has"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := whole.changed(test.change).firstError()
			if !errors.Is(err, diskerr.ErrCorrupt) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want ErrCorrupt that says %q", err, test.want)
			}
		})
	}
}

// TestSubvolumeThatIsElsewhereIsAnEmptyDirectory: Linux follows a name to a
// subvolume only where the subvolume's parent knows of it.
func TestSubvolumeThatIsElsewhereIsAnEmptyDirectory(t *testing.T) {
	whole := nested(t)
	for name, change := range map[string]func(image){
		"directory": set64(rootTree, rootRef, 0, 999),
		"name":      func(m image) { m.items(rootTree, rootRef, func(_, data []byte) { data[18] ^= 0x20 }) },
		"deleted": func(m image) {
			m.items(rootTree, rootItem, func(h, data []byte) {
				if le.Uint64(h) >= 256 && le.Uint64(h) < 300 {
					le.PutUint32(data[216:], 0)
				}
			})
		},
	} {
		m := whole.changed(change)
		v, err := btrfs.Open(bytes.NewReader(m), int64(len(m)))
		if err != nil {
			t.Fatal(err)
		}
		if list, err := subvolume(t, v, btrfs.TopLevel).ReadDir("outer"); err != nil || len(list) != 0 {
			t.Errorf("%s: got %v, %v, want an empty directory", name, list, err)
		}
	}
}
