package inspect

import (
	"strings"
	"testing"
)

func TestFindInit(t *testing.T) {
	entry := func(args string) []BootEntry {
		return []BootEntry{{CommandLine: args}, {CommandLine: "single", Recovery: true}}
	}
	debian := files{"sbin/init": "x", "etc/inittab": "id:2:initdefault:\n", "etc/init.d/": "", "etc/rc2.d/": ""}
	tests := []struct {
		name    string
		tree    files
		entries []BootEntry
		want    string
	}{
		{"systemd", files{"sbin/init": "-> ../lib/systemd/systemd", "lib/systemd/systemd": "x"}, nil, initSystemd},
		{"systemd by an argument", debian.with(files{"lib/systemd/systemd": "x"}), entry("init=/lib/systemd/systemd"), initSystemd},
		{"an argument of one entry of two", debian.with(files{"lib/systemd/systemd": "x"}), append(entry("init=/lib/systemd/systemd"), entry("quiet")...), initSysvinit},
		{"systemd without the link", files{"usr/lib/systemd/system/default.target": "x"}, nil, initSystemd},
		{"sysvinit", debian, nil, initSysvinit},
		{"OpenRC on sysvinit's init", debian.with(files{"etc/runlevels/default/": "", "sbin/openrc": "x"}), nil, initOpenRC},
		{"Upstart", debian.with(files{"sbin/initctl": "x", "etc/init/": ""}), nil, initUpstart},
		{"busybox alone", files{"sbin/init": "-> ../bin/busybox", "bin/busybox": "x", "etc/inittab": "x", "etc/init.d/": ""}, nil, "busybox"},
		{"nothing", files{"etc/passwd": ""}, nil, ""},
	}
	for _, tt := range tests {
		if got := findInit(newTree(tt.tree.fs()), tt.entries); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	s, units := loadServices(newTree(files{}.fs()), "busybox", nil)
	if s.err == nil || !strings.Contains(s.err.Error(), "/sbin/init is busybox") || units != nil || s.isEnabled("sshd") {
		t.Errorf("an unknown init: %v, %v", s.err, units)
	}
}

func TestServicesOfEveryInit(t *testing.T) {
	tests := []struct {
		name, init string
		tree       files
		service    string
		want       string // what starts it; "" where nothing does, then why
		why        string
	}{
		{"a link of the runlevel", initSysvinit, files{"etc/inittab": "id:2:initdefault:\n", "etc/init.d/ssh": "x", "etc/rc2.d/S02ssh": "-> ../init.d/ssh"}, "ssh.service", "/etc/rc2.d/S02ssh", ""},
		{"before any runlevel", initSysvinit, files{"etc/init.d/ferm": "x", "etc/rcS.d/S02ferm": "-> ../init.d/ferm"}, "ferm", "/etc/rcS.d/S02ferm", ""},
		{"SUSE's folders", initSysvinit, files{"etc/inittab": "id:3:initdefault:\n", "etc/init.d/sshd": "x", "etc/init.d/rc3.d/S11sshd": "-> ../sshd"}, "sshd", "/etc/init.d/rc3.d/S11sshd", ""},
		{"a link to nothing", initSysvinit, files{"etc/inittab": "id:2:initdefault:\n", "etc/rc2.d/S02ssh": "-> ../init.d/ssh"}, "ssh", "", "ssh is not in /etc/init.d"},
		{"another runlevel", initSysvinit, files{"etc/inittab": "id:3:initdefault:\n", "etc/init.d/ssh": "x", "etc/rc2.d/S02ssh": "-> ../init.d/ssh"}, "ssh", "", "/etc/init.d/ssh: nothing in the runlevel 3 starts it"},
		{"no inittab", initSysvinit, files{"etc/init.d/ssh": "x", "etc/rc4.d/S02ssh": "-> ../init.d/ssh"}, "ssh", "/etc/rc4.d/S02ssh", ""},
		{"a job", initUpstart, files{"etc/init/ssh.conf": "# x\nstart on runlevel [2345]\n", "etc/init/rc-sysinit.conf": "env DEFAULT_RUNLEVEL=2\n"}, "ssh", "/etc/init/ssh.conf:2: start on runlevel [2345]", ""},
		{"a job of other runlevels", initUpstart, files{"etc/init/ssh.conf": "start on runlevel [!2345]\n"}, "ssh", "", "/etc/init/ssh.conf: no event starts it"},
		{"a job by hand", initUpstart, files{"etc/init/ssh.conf": "start on filesystem\n", "etc/init/ssh.override": "manual\n"}, "ssh", "", "/etc/init/ssh.override:1: manual"},
		{"a job by hand, and again", initUpstart, files{"etc/init/ssh.conf": "manual\n", "etc/init/ssh.override": "start on filesystem or runlevel [2345]\n"}, "ssh", "/etc/init/ssh.override:1: start on filesystem or runlevel [2345]", ""},
		{"a script beside the job", initUpstart, files{"etc/init/ssh.conf": "manual\n", "etc/init.d/ssh": "x", "etc/rc2.d/S02ssh": "-> ../init.d/ssh"}, "ssh", "", "/etc/init/ssh.conf:1: manual"},
		{"a script", initUpstart, files{"etc/inittab": "id:3:initdefault:\n", "etc/init.d/sshd": "x", "etc/rc.d/rc3.d/S55sshd": "-> /etc/init.d/sshd"}, "sshd", "/etc/rc.d/rc3.d/S55sshd", ""},
		{"neither", initUpstart, files{"etc/init/x.conf": "x\n"}, "ssh", "", "ssh is neither in /etc/init nor in /etc/init.d"},
		{"wanted", initOpenRC, files{"etc/init.d/a": "depend() {\n\twant b c/../d\n}\n", "etc/init.d/b": "x", "etc/runlevels/boot/a": "-> /etc/init.d/a"}, "b", "/etc/init.d/a:2: want b c/../d", ""},
		{"only used", initOpenRC, files{"etc/init.d/a": "depend() {\n\tuse b\n}\n", "etc/init.d/b": "x", "etc/runlevels/boot/a": "-> /etc/init.d/a"}, "b", "", "/etc/init.d/b: nothing in /etc/runlevels starts it"},
		{"a runlevel that is not reached", initOpenRC, files{"etc/init.d/b": "x", "etc/runlevels/nonetwork/b": "-> /etc/init.d/b"}, "b", "", "starts it"},
		{"units by an argument", initSystemd, files{"usr/lib/systemd/system/default.target": "x\n", "usr/lib/systemd/system/a.service": "x\n"}, "a", "the kernel argument systemd.wants=a.service", ""},
		{"another target", initSystemd, files{"usr/lib/systemd/system/default.target": "Wants=b.service\n", "usr/lib/systemd/system/b.service": "x\n"}, "b", "", "nothing that starts at boot pulls it in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var entries []BootEntry
			if tt.init == initSystemd {
				entries = []BootEntry{{CommandLine: "systemd.unit=x.target systemd.wants=a.service"}}
			}
			s, _ := loadServices(newTree(tt.tree.fs()), tt.init, entries)
			via, on := s.enabled(tt.service)
			if via != tt.want || on != (tt.want != "") || s.err != nil {
				t.Errorf("started by %q, want %q; %v", via, tt.want, s.err)
			}
			if why := s.why(tt.service); tt.want == "" && !strings.Contains(why, tt.why) {
				t.Errorf("why: %q, want %q", why, tt.why)
			}
		})
	}
}

func FuzzServices(f *testing.F) {
	f.Add("id:3:initdefault:\n", "start on runlevel [!2345]\nmanual\n", "depend() {\n need a b\n}\n", "[Unit]\nWants=a.service\n[Install]\nWantedBy=x\n")
	f.Fuzz(func(t *testing.T, inittab, job, script, unit string) {
		tree := newTree(files{
			"etc/inittab": inittab, "etc/init/a.conf": job, "etc/init.d/a": script, "etc/init.d/b": script,
			"etc/runlevels/default/b": "-> /etc/init.d/b", "etc/rc3.d/S01b": "-> ../init.d/b",
			"usr/lib/systemd/system/default.target": unit, "usr/lib/systemd/system/a.service": unit,
		}.fs())
		for _, init := range []string{initSystemd, initUpstart, initOpenRC, initSysvinit} {
			s, _ := loadServices(tree, init, nil)
			for _, name := range []string{"a", "b"} {
				if via, on := s.enabled(name); on != (via != "") || s.why(name) == "" {
					t.Errorf("%s: %s is started by %q, %v: %s", init, name, via, on, s.why(name))
				}
			}
		}
	})
}

func FuzzNetworkFiles(f *testing.F) {
	f.Add("auto /e*=a\niface a inet dhcp\n", "[connection]\ntype=ethernet\ninterface-name=e\n", "DEVICE='eth0'\nBOOTPROTO=dhcp\n", "network: {ethernets: {a: {match: {name: e*}, dhcp4: true}}}\n")
	f.Fuzz(func(t *testing.T, interfaces, ini, ifcfg, netplan string) {
		tree := newTree(files{
			"usr/lib/systemd/system/default.target":                          "x",
			"usr/lib/systemd/system/default.target.wants/networking.service": "x", "usr/lib/systemd/system/networking.service": "x",
			"usr/bin/netplan": "x", "usr/bin/ifup": "x", "etc/network/interfaces": interfaces, "etc/netplan/a.yaml": netplan,
			"etc/NetworkManager/system-connections/a": ini, "etc/systemd/network/a.network": ini,
			"etc/sysconfig/network-scripts/ifcfg-a": ifcfg, "etc/sysconfig/network/ifcfg-a": ifcfg, "etc/ssh/sshd_config": ini,
		}.fs())
		g := &guest{tree: tree, facts: &Facts{}, config: config{root: &value{}}}
		g.services, g.units = loadServices(tree, initSystemd, nil)
		n := &notes{}
		fixedNames(g, n)
		for _, stack := range networkStacks {
			stack.own(g, n)
		}
		settings, _ := pubkeyLogin(g, n)
		lockedLogin(g, n, settings, sshdConfigs[0])
		if f := n.finding("x"); len(f.Evidence) == 0 {
			t.Error("no evidence")
		}
	})
}
