package boot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

const bootedAt = 1_700_000_000

// goodTelling is what the witness of a ready instance tells.
func goodTelling(i *instance) facts {
	return facts{
		"runs": {i.nonce}, "hostname": {i.name}, "boot-time": {fmt.Sprint(bootedAt)},
		"root":       {"/dev/vda1 3900000 500000 3400000 13% /"},
		"machine-id": {fmt.Sprintf("%d aaaabbbbccccddddaaaabbbbccccdddd", bootedAt+3)},
		"host-key":   {fmt.Sprintf("%d ssh-ed25519 AAAA root@x", bootedAt+20)},
		"address":    {"2: ens3    inet " + i.address + "/4 brd 175.255.255.255 scope global ens3"},
		"card":       {"ens3 " + i.mac + " up virtio_net"},
		"listen":     {"0016"},
		"status":     {`{"v1": {"datasource": "DataSourceConfigDrive [net,ver=2][source=/dev/sr0]", "init": {"errors": []}}}`},
	}
}

// goodSight is a run of a ready image of 2 GiB on a disk of 4 GiB.
func goodSight() *sight {
	i := &instance{uuid: "u", mac: "fa:16:3e:01:02:03", name: "proof-1", nonce: "0123456789abcdef", address: "172.16.7.42"}
	image := &inspect.Facts{}
	image.Disk.VirtualSize, image.Root.Size = 2<<30, 2<<30-1<<20
	reached := banner
	return &sight{
		via: ConfigDrive, facts: image, instance: i, diskSize: 4 << 30, serial: "ttyS0", slow: 1,
		console: "[    0.000000] Linux version 6.1.0\nproof-1 login: ",
		ssh:     session{reach: entered, user: "debian", hostKey: "ssh-ed25519 AAAA", version: "SSH-2.0-OpenSSH_9.2"},
		other:   closed, listened: &reached, told: goodTelling(i), toldBy: "a program run over SSH",
	}
}

// unreached makes a run one in which nobody got in by SSH.
func unreached(s *sight, r reach) {
	s.ssh, s.listened, s.over = session{reach: r}, nil, "the boot is at its end"
	s.toldBy = "its user data, on the serial console"
}

func TestEachFaultIsCaughtByTheRightProofAndNoOther(t *testing.T) {
	cases := map[string]struct {
		change func(*sight)
		want   requirement.ID
		// unknown are those that cannot be judged then.
		unknown []requirement.ID
	}{
		"nothing": {func(*sight) {}, "", nil},
		"no growpart": {
			func(s *sight) { s.told["root"] = []string{"/dev/vda1 1990000 500000 1400000 13% /"} }, requirement.RootResize, nil,
		},
		"a firewall that drops port 22": {
			func(s *sight) { unreached(s, silent) }, requirement.NoFirewall, []requirement.ID{requirement.SSHKey},
		},
		"a firewall that drops what it does not know": {
			func(s *sight) {
				r := silent
				s.other, s.listened = silent, &r
			}, requirement.NoFirewall, nil,
		},
		"no console": {func(s *sight) { s.console = "" }, requirement.ConsoleLog, nil},
		"a quiet kernel": {
			func(s *sight) { s.console = "Welcome to Debian\nproof-1 login: " }, requirement.ConsoleLog, nil,
		},
		"a MAC address by name": {
			func(s *sight) {
				unreached(s, silent)
				s.other, s.told["address"] = silent, []string{"1: lo    inet 127.0.0.1/8 scope host lo"}
				s.told["mac"] = []string{"/etc/udev/rules.d/70-persistent-net.rules:52:54:00:12:34:56"}
			}, requirement.NoHardcodedMAC, []requirement.ID{requirement.NoFirewall, requirement.SSHKey, requirement.DHCP},
		},
		"no DHCP": {
			func(s *sight) {
				unreached(s, silent)
				s.other, s.told["address"] = silent, nil
			}, requirement.DHCP, []requirement.ID{requirement.NoFirewall, requirement.SSHKey},
		},
		"cloud-init disabled, with a network": {
			func(s *sight) {
				unreached(s, banner)
				s.told, s.console = nil, "[    0.000000] Linux version 6.1.0\nlocalhost login: "
			}, requirement.Datasource, []requirement.ID{requirement.RootResize, requirement.SSHKey, requirement.UserData, requirement.IdentityReset},
		},
		"another data source": {
			func(s *sight) { s.told["status"] = []string{`{"v1": {"datasource": "DataSourceNone"}}`} }, requirement.Datasource, nil,
		},
		"cloud-init's errors": {
			func(s *sight) {
				s.told["status"] = []string{`{"v1": {"datasource": "DataSourceConfigDrive", "init": {"errors": ["broken"]}}}`}
			}, requirement.Datasource, nil,
		},
		"host keys of the build": {
			func(s *sight) { s.told["host-key"] = []string{"1500000000 ssh-ed25519 AAAA root@build"} }, requirement.IdentityReset, nil,
		},
		"host keys that change": {
			func(s *sight) { s.reboot = &rebooted{told: s.told, hostKey: "another"} }, requirement.IdentityReset, nil,
		},
		"no SSH server": {
			func(s *sight) {
				unreached(s, closed)
				s.told["listen"] = nil
			}, requirement.SSHServer, []requirement.ID{requirement.SSHKey},
		},
		"a refused key": {
			func(s *sight) { unreached(s, banner) }, requirement.SSHKey, nil,
		},
		"a password": {
			func(s *sight) { s.methods, s.told["password"] = []string{"password"}, []string{"root"} }, requirement.SSHKey, nil,
		},
		"user data that do not run": {func(s *sight) { s.told["runs"] = nil }, requirement.UserData, nil},
		"user data that run again": {
			func(s *sight) {
				again := goodTelling(s.instance)
				again["runs"] = []string{s.instance.nonce, s.instance.nonce}
				s.reboot = &rebooted{told: again, hostKey: s.ssh.hostKey}
			}, requirement.UserData, nil,
		},
		"another host name": {func(s *sight) { s.told["hostname"] = []string{"debian"} }, requirement.UserData, nil},
		"no return after a reboot": {
			func(s *sight) { s.reboot = &rebooted{err: errors.New("no login")} }, requirement.SSHServer, nil,
		},
		"a dead power button": {func(s *sight) { s.stopErr = errors.New("still ran") }, requirement.ACPIShutdown, nil},
		"a dead guest agent": {
			func(s *sight) { s.facts.GuestAgent.Installed, s.agentErr = true, errors.New("no answer") }, requirement.GuestAgent, nil,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := goodSight()
			c.change(s)
			var unmet, unknown []requirement.ID
			for _, f := range judge([]*sight{s}) {
				switch f.Verdict {
				case requirement.Unmet:
					unmet = append(unmet, f.ID)
				case requirement.Unknown:
					unknown = append(unknown, f.ID)
				}
				if len(f.Evidence) == 0 || !strings.HasPrefix(f.Evidence[0], "config drive: ") {
					t.Errorf("%s: evidence = %q, want some that names the way", f.ID, f.Evidence)
				}
			}
			var want []requirement.ID
			if c.want != "" {
				want = []requirement.ID{c.want}
			}
			if !slices.Equal(unmet, want) || !slices.Equal(unknown, c.unknown) {
				t.Errorf("unmet = %v, want %v; unknown = %v, want %v", unmet, want, unknown, c.unknown)
			}
		})
	}
}

func TestNothingIsUnmetForWantOfTime(t *testing.T) {
	s := goodSight()
	unreached(s, banner)
	s.told, s.other, s.timeUp, s.stopErr = nil, silent, true, errors.New("the time was over")
	for _, f := range judge([]*sight{s}) {
		if f.Verdict == requirement.Unmet {
			t.Errorf("%s is unmet by %q", f.ID, f.Evidence)
		}
	}
}

func TestSilentGuestThatObeysItsPowerButtonRuns(t *testing.T) {
	s := goodSight()
	unreached(s, silent)
	s.told, s.other, s.console, s.stopped = nil, silent, "", 20*time.Second
	for _, f := range judge([]*sight{s}) {
		want := map[requirement.ID]requirement.Verdict{
			requirement.ConsoleLog: requirement.Unmet, requirement.ACPIShutdown: requirement.Met, requirement.GuestAgent: requirement.NotApplicable,
		}[f.ID]
		if want == "" {
			want = requirement.Unknown
		}
		if f.Verdict != want {
			t.Errorf("%s is %s by %q, want %s", f.ID, f.Verdict, f.Evidence, want)
		}
	}
}

func TestTwoInstancesWithOneHostKeyAreTold(t *testing.T) {
	a, b := goodSight(), goodSight()
	b.told["machine-id"] = []string{fmt.Sprintf("%d bbbb", bootedAt+3)}
	for _, f := range judge([]*sight{a, b}) {
		if f.ID == requirement.IdentityReset && (f.Verdict != requirement.Unmet || !strings.Contains(f.Evidence[0], "the same SSH host key")) {
			t.Errorf("%s by %q, want unmet by the key in common", f.Verdict, f.Evidence)
		}
	}
	b.ssh.hostKey = "another"
	for _, f := range judge([]*sight{a, b}) {
		if f.ID == requirement.IdentityReset && f.Verdict != requirement.Met {
			t.Errorf("%s by %q, want met", f.Verdict, f.Evidence)
		}
	}
}

func TestLoginIsSeenAmongTheKernelsWords(t *testing.T) {
	for said, want := range map[string]bool{
		"proof-1 login: ": true,
		"\nlocalhost login: [   50.292567] kvm: late\n": true,
		"login:":                                 true,
		"Last login: Wed Nov 25 04:50:29":        false,
		"[  OK  ] Reached target Login Prompts.": false,
	} {
		if got := loginLine.MatchString(said); got != want {
			t.Errorf("%q: got %v, want %v", said, got, want)
		}
	}
}

func TestWitnessIsReadAmongOthersWords(t *testing.T) {
	const nonce = "0123456789abcdef"
	whole := nonce + " begin 1\r\n" + nonce + " hostname proof-1\r\n" + nonce + " listen 0016\r\n" + nonce + " end 2\r\n"
	torn := nonce + " begin 1\n" + nonce + " hostn[   61.2] audit: x\n" + nonce + " listen 0016\n" + nonce + " end 2\n"
	cases := map[string]struct {
		text  string
		host  string
		whole bool
	}{
		"nothing":             {"proof-1 login: \n", "", false},
		"whole":               {"[ 1.0] x\n" + whole + "y", "proof-1", true},
		"the second is whole": {torn + whole, "proof-1", true},
		"cut off":             {whole[:len(whole)-4], "proof-1", false},
		"another's":           {strings.ReplaceAll(whole, nonce, "fedcba9876543210"), "", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			told, whole := readFacts(c.text, nonce)
			if whole != c.whole || told.one("hostname") != c.host {
				t.Errorf("whole = %t, host name = %q, want %t, %q", whole, told.one("hostname"), c.whole, c.host)
			}
			if c.whole && !told.listens(22) {
				t.Error("port 22 is not listened at")
			}
		})
	}
}

func TestScreenshotsOfImpossibleSizesAreRefused(t *testing.T) {
	for _, head := range []string{"", "P5\n1 1\n255\n", "P6\n0 1\n255\n", "P6\n99999 99999\n255\n", "P6\n1 1\n65535\n", "P6\n2 2\n255\nxx"} {
		if _, err := pngOf(strings.NewReader(head)); err == nil {
			t.Errorf("no error for %q", head)
		}
	}
	if b, err := pngOf(strings.NewReader("P6\n2 1\n255\nabcdef")); err != nil || !strings.HasPrefix(string(b), "\x89PNG") {
		t.Errorf("pngOf = %q, %v", b, err)
	}
}
