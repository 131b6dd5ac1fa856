//go:build linux

package boottest

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
)

// growers stand in for the programs that grow: only sfdisk can, and the kernel
// learns of it where the tree has the file told.
var growers = map[string]string{
	"df":        `printf 'x\n/dev/vda1 1024 0 0 0%% /\n'`,
	"resize2fs": `echo "resize2fs ${1#"$ROOT"}" >>"$ROOT/calls"`,
	"growpart":  `echo "growpart: busy" >&2; exit 2`,
	"sgdisk":    `exit 1`,
	"parted":    `exit 1`,
	"sfdisk":    `[ -e "$ROOT/table" ] || { echo "sfdisk: broken" >&2; exit 1; }; if [ "$1" = -d ]; then sed "s,DISK,$ROOT/dev/vda," "$ROOT/table"; else sed "s,$ROOT,," >"$ROOT/written"; fi`,
	"partx":     `if [ -e "$ROOT/told" ]; then cp "$ROOT/told" "$ROOT/sys/devices/vda/vda1/size"; fi`,
	"partprobe": `:`,
	"blockdev":  `:`,
}

// disk is a disk in sysfs, of the given size and sector size, with partitions
// "START SIZE", in units of 512 bytes.
func disk(size int64, sector int, partitions ...string) files {
	f := files{
		"proc/self/mountinfo":                      "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n",
		"sys/dev/block/254:1":                      "-> ../../devices/vda/vda1",
		"sys/devices/vda/uevent":                   "DEVNAME=vda\n",
		"sys/devices/vda/size":                     fmt.Sprintln(size),
		"sys/devices/vda/queue/logical_block_size": fmt.Sprintln(sector),
		"dev/vda": strings.Repeat("\x00", sector),
	}
	for i, p := range partitions {
		start, length, _ := strings.Cut(p, " ")
		folder := fmt.Sprintf("sys/devices/vda/vda%d/", i+1)
		f[folder+"uevent"] = fmt.Sprintf("DEVNAME=vda%d\n", i+1)
		f[folder+"partition"] = fmt.Sprintln(i + 1)
		f[folder+"start"], f[folder+"size"] = start+"\n", length+"\n"
	}
	return f
}

func with(first files, more files) files {
	all := maps.Clone(first)
	maps.Copy(all, more)
	return all
}

const gptSector = "EFI PART"

// rooms are disks, and what becomes of them.
var rooms = []struct {
	name   string
	tree   files
	said   []string
	status int
	after  files
}{
	{"a full disk", disk(8388608, 512, "2048 8386560"), nil, 0, files{"written": "-", "calls": "resize2fs /dev/vda1\n"}},
	{"less than 1 MiB to win", disk(8390000, 512, "2048 8386560"), nil, 0, files{"written": "-"}},
	{"room behind", with(disk(8388608, 512, "2048 2097152"), files{"table": "DISK1 : start= 2048, size= 2097152, type=83\n", "told": "8386560\n"}), []string{"the partition /dev/vda1 has grown\n"}, 0, files{
		"written": "/dev/vda1 : start= 2048, size= 8386560, type=83\n",
	}},
	{"room that the kernel does not see", with(disk(8388608, 512, "2048 2097152"), files{"table": "DISK1 : start= 2048, size= 2097152, type=83\n"}), []string{"which the kernel reads at the next boot"}, 1, nil},
	{"GPT keeps its end", with(disk(8388608, 512, "2048 2097152"), files{
		"dev/vda": strings.Repeat("\x00", 512) + gptSector, "table": "label: gpt\nlast-lba: 2099200\nDISK1 : start= 2048, size= 2097152, type=X\n", "told": "8384512\n",
	}), []string{"has grown"}, 0, files{"written": "label: gpt\n/dev/vda1 : start= 2048, size= 8384512, type=X\n"}},
	{"sectors of 4096 bytes", with(disk(8388608, 4096, "2048 2097152"), files{"table": "DISK1 : start= 256, size= 262144, type=83\n", "told": "8386560\n"}), []string{"has grown"}, 0, files{
		"written": "/dev/vda1 : start= 256, size= 1048320, type=83\n",
	}},
	{"a DOS table ends at 2 TiB", with(disk(6442450944, 512, "2048 2097152"), files{"table": "DISK1 : start= 2048, size= 2097152, type=83\n", "told": "4294963200\n"}), []string{"has grown"}, 0, files{
		"written": "/dev/vda1 : start= 2048, size= 4294963200, type=83\n",
	}},
	{"another partition behind", disk(8388608, 512, "2048 2097152", "2099200 2097152"), []string{"vda1 does not grow: another lies behind it"}, 0, files{"written": "-"}},
	{"no program that works", disk(8388608, 512, "2048 2097152"), []string{"growpart could not grow the partition /dev/vda1 (status 2): growpart: busy", "no program could grow"}, 1, nil},
	{"an encrypted root", files{
		"proc/self/mountinfo": "22 1 254:1 / / rw - ext4 /dev/mapper/root rw\n", "sys/dev/block/254:1/uevent": "DEVNAME=dm-0\n",
		"sys/dev/block/254:1/dm/uuid": "CRYPT-LUKS2-abc\n", "sys/dev/block/254:1/dm/name": "root\n",
	}, []string{"/dev/mapper/root, which is no LVM volume"}, 1, nil},
	{"a root that is not known", files{"proc/self/mountinfo": "22 1 0:30 / / rw - overlay none rw\n"}, []string{"the root file system is overlay, which is not grown"}, 1, nil},
	{"a container's root", with(disk(8388608, 512, "2048 2097152"), files{"run/systemd/container": "lxc\n"}), nil, 0, files{"calls": "-"}},
}

func TestRoomIsMeasured(t *testing.T) {
	for _, shell := range shells {
		if shell[0] == "busybox" { // which takes its own df, partprobe and blockdev
			continue
		}
		t.Run(shell[0], func(t *testing.T) {
			for _, test := range rooms {
				t.Run(test.name, func(t *testing.T) {
					g := newGuest(t, shell, test.tree)
					g.stubs = guesttest.Stubs(t, growers)
					said, status := g.boot(t, "grow")
					expectSaid(t, said, test.said)
					if status != test.status || len(test.said) == 0 && said != "" {
						t.Errorf("got status %d, want %d:\n%s", status, test.status, said)
					}
					for name, want := range test.after {
						if got := g.read(t, name); got != want {
							t.Errorf("%s: got %q, want %q", name, got, want)
						}
					}
				})
			}
		})
	}
}
