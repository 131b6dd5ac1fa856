package inspect

import (
	"reflect"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/partition"
)

func TestFindMAC(t *testing.T) {
	tests := map[string]string{
		"hwaddress ether 52:54:00:12:34:56":          "52:54:00:12:34:56",
		`ATTR{address}=="52:54:00:AB:CD:EF", NAME=x`: "52:54:00:ab:cd:ef",
		"52-54-00-12-34-56":                          "52-54-00-12-34-56",
		"quiet ifname=lan:52:54:00:12:34:56 ro":      "52:54:00:12:34:56",
		"BOOTIF=01-52-54-00-12-34-56":                "52-54-00-12-34-56",
		"00:00:00:00:00:00 52:54:00:12:34:56":        "52:54:00:12:34:56",
		"ff:ff:ff:ff:ff:ff":                          "",
		"52:54:00:12:34":                             "",
		"52:54:00:12:34:56:78":                       "",
		"52:54-00:12-34:56":                          "",
		"0a1b2c3d-0000-1111-2222-aabbccddeeff":       "",
		"fe80::5054:ff:fe12:3456":                    "",
		"":                                           "",
	}
	for line, want := range tests {
		if got := findMAC(line); got != want {
			t.Errorf("findMAC(%q) = %q, want %q", line, got, want)
		}
	}
}

func TestParseOSRelease(t *testing.T) {
	got := parseOSRelease("# x\nID=ubuntu\nID_LIKE='debian'\nVERSION_ID=\"24.04\"\nPRETTY_NAME=\"A \\\"B\\\" \\$C\"\nBROKEN\n")
	want := OS{ID: "ubuntu", IDLike: "debian", VersionID: "24.04", PrettyName: `A "B" $C`}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadOSRefusesWhatIsNotLinux(t *testing.T) {
	for text, want := range map[string]string{
		"ID=freebsd\nPRETTY_NAME=\"FreeBSD 14.1\"\n":       "the guest is FreeBSD 14.1",
		"ID=debian\nPRETTY_NAME=\"Debian GNU/Hurd sid\"\n": "only Linux guests",
		"ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n": "",
	} {
		_, err := readOS(newTree(files{"etc/os-release": text}.fs()))
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
	if _, err := readOS(newTree(files{"etc/os-release": "-> ../usr/lib/os-release"}.fs())); err == nil {
		t.Error("an os-release that is a dangling link: no error")
	}
}

func TestArchitecture(t *testing.T) {
	littlePPC, bigPPC := elfHeaderOf(21), []byte(elfHeaderOf(0))
	bigPPC[5], bigPPC[17], bigPPC[19], bigPPC[23] = 2, 3, 21, 1
	bigPPC[16], bigPPC[18], bigPPC[20] = 0, 0, 0
	tests := []struct{ name, program, want string }{
		{"x86_64", elfHeaderOf(62), "x86_64"},
		{"aarch64", elfHeaderOf(183), "aarch64"},
		{"little-endian POWER", littlePPC, "ppc64le"},
		{"big-endian POWER", string(bigPPC), "ppc64"},
		{"a script", "#!/bin/sh\n" + strings.Repeat("x", 100), ""},
		{"cut off", elfHeaderOf(62)[:40], ""},
		{"an unknown machine", elfHeaderOf(1), ""},
	}
	for _, tt := range tests {
		if got, _ := architecture(newTree(files{"sbin/init": tt.program}.fs())); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	if got, program := architecture(newTree(files{"bin/sh": elfHeaderOf(62)}.fs())); got != "x86_64" || program != "/bin/sh" {
		t.Errorf("without /sbin/init: got %q from %q", got, program)
	}
}

func TestParseFstab(t *testing.T) {
	got := parseFstab("# c\nUUID=1 / btrfs subvol=/my\\040root 0 1\n/dev/sda2 none swap sw 0 0\nLABEL=d /my\\040data ext4\ntmpfs /tmp tmpfs\nbad\n")
	want := []fstabEntry{{2, "UUID=1", "/", "btrfs", "subvol=/my root"}, {4, "LABEL=d", "/my data", "ext4", ""}, {5, "tmpfs", "/tmp", "tmpfs", ""}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got[2].onDisk() || !got[0].onDisk() {
		t.Error("onDisk: want it of UUID=1 and not of tmpfs")
	}
}

func TestParseGrub(t *testing.T) {
	n := &notes{}
	got := parseGrub(newTree(files{}.fs()), n, "g", "menuentry 'A \"b\"' --class x {\n  linux \\\n /boot/vmlinuz-1 root=\"UUID=1\" a\\ b\n}\n"+
		"menuentry R {\n\tlinux16 /vmlinuz-2 ro systemd.unit=rescue.target\n}\n# linux /x\nlinux\nset a=b\nlinux /memtest86.bin\nset linux=/x\n")
	want := []BootEntry{
		{File: "g", Line: 2, Title: `A "b"`, Kernel: "/boot/vmlinuz-1", CommandLine: "root=UUID=1 a b", Default: true},
		{File: "g", Line: 6, Title: "R", Kernel: "/vmlinuz-2", CommandLine: "ro systemd.unit=rescue.target", Recovery: true},
	}
	if !reflect.DeepEqual(got, want) || len(n.open) > 0 {
		t.Errorf("got %+v, want %+v; %v", got, want, n.open)
	}
	if parseGrub(newTree(files{}.fs()), n, "g", strings.Repeat("linux /k\n", maxBootEntries+1)); len(n.open) != 1 {
		t.Errorf("too many entries: noted %v", n.open)
	}
}

func TestConfigMerges(t *testing.T) {
	c := loadConfig(newTree(files{
		"etc/cloud/cloud.cfg":          "a: {x: 1, y: [1, 2]}\nb: old\n",
		"etc/cloud/cloud.cfg.d/10.cfg": "a: {y: [3], z: 4}\n",
		"etc/cloud/cloud.cfg.d/20.cfg": "b: new\n---\nsecond: document\n",
		"etc/cloud/cloud.cfg.d/30.cfg": "# nothing\n",
		"etc/cloud/cloud.cfg.d/README": "b: not this\n",
	}.fs()))
	if c.err != nil {
		t.Fatal(c.err)
	}
	for path, want := range map[string]string{"a x": "1", "a y": "[3]", "a z": "4", "b": "new"} {
		v := c.root.get(strings.Fields(path)...)
		if v == nil || v.String() != want {
			t.Errorf("%s: got %v, want %s", path, v, want)
		}
	}
	if v := c.root.get("a", "y"); v.where != "/etc/cloud/cloud.cfg.d/10.cfg:1" {
		t.Errorf("a y stands at %s", v.where)
	}
}

func TestParseYAMLIsBounded(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		bomb += strings.ReplaceAll(strings.ReplaceAll("aN: &aN [*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM,*aM]\n", "N", string(rune('1'+i))), "M", string(rune('0'+i)))
	}
	for name, text := range map[string]string{
		"aliases of aliases": bomb,
		"an alias of itself": "a: &a [*a]\n",
		"depth":              strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"size":               "a: " + strings.Repeat("x", maxYAML),
		"nodes":              "a: [" + strings.Repeat("1,", maxYAMLNodes) + "]",
		"a list":             "- a\n",
		"a merge key":        "a: &a {b: 1}\nc: {<<: *a}\n",
		"tabs":               "\ta: [\n",
	} {
		if _, err := parseYAML("f", text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestVolumeIs(t *testing.T) {
	v := readyLayout().volumes[0]
	v.part.Name = "root"
	v.fs.Geometry.Label = "cloud"
	for device, want := range map[string]bool{
		"UUID=1111": true, `UUID="1111"`: true, "/dev/disk/by-uuid/1111": true, "UUID=2222": false, "UUID=": false,
		"LABEL=cloud": true, "LABEL=x": false, "PARTUUID=AABBCCDD-01": true, "PARTUUID=x": false, "PARTLABEL=root": true,
		"/dev/vda1": true, "/dev/sda2": false, "/dev/nvme0n1p1": true, "/dev/nvme0n1": false, "/dev/vda": false,
		"/dev/mapper/vg-root": false, "tmpfs": false, "": false,
	} {
		if got := v.is(device); got != want {
			t.Errorf("is(%q) = %v, want %v", device, got, want)
		}
	}
	if whole := (&volume{part: partition.Partition{}}); whole.is("/dev/vda") || whole.is("UUID=1111") {
		t.Error("a volume without a file system is named by a device")
	}
}

func TestQuoteIsSafeToShow(t *testing.T) {
	if got := quote(" a\x1b[31m\x00b\xff\n"); got != "a [31m b\uFFFD" {
		t.Errorf("got %q", got)
	}
	if got := quote(strings.Repeat("é", 200)); len([]rune(got)) != 161 || !strings.HasSuffix(got, "…") {
		t.Errorf("a long line: %q", got)
	}
}

func FuzzParseGrub(f *testing.F) {
	f.Add(grubConfig("console=tty0"))
	f.Add("linux \\\n'a\\' \"b\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range parseGrub(newTree(files{}.fs()), &notes{}, "/g", text) {
			if e.Line < 1 || e.Line > strings.Count(text, "\n")+1 {
				t.Errorf("entry at line %d of %q", e.Line, text)
			}
			_ = consoleFaults(e, []string{"ttyS0"})
			_ = e.at()
		}
	})
}

func FuzzParseOSRelease(f *testing.F) {
	f.Add("ID=\"debian\"\nPRETTY_NAME='x'\n")
	f.Add("ID=\"\nVERSION_ID='")
	f.Fuzz(func(_ *testing.T, text string) { _ = notLinux(parseOSRelease(text)) })
}

func FuzzParseFstab(f *testing.F) {
	f.Add("UUID=1111 / ext4 defaults 0 1\n/dev/nvme0n1p1 /a\\040b vfat\n")
	f.Fuzz(func(_ *testing.T, text string) {
		l := readyLayout()
		for _, e := range parseFstab(text) {
			_, _ = l.find(e.device), e.onDisk()
			tr := newTree(files{"a": "-> b"}.fs())
			tr.mount(e.dir, files{"x": ""}.fs(), "")
			_, _ = tr.read(e.dir+"/x", maxText)
		}
	})
}

func FuzzParseYAML(f *testing.F) {
	f.Add(cloudCfg)
	f.Add("a: &a [*a]\n")
	f.Add("datasource_list: [ A, 'B' ]\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_ = datasourceLine("f", text)
		v, err := parseYAML("f", text)
		if err != nil {
			return
		}
		c := config{root: merge(v, v)}
		_, _ = c.modules("cloud_init_modules"), v.String()
		_ = v.get("system_info", "default_user", "name").isTrue()
	})
}
