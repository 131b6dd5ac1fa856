package guest

import (
	"path/filepath"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// trusty is Ubuntu 14.04, whose Upstart knows overrides.
var trusty = files{
	"etc/os-release":      "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"14.04\"\nPRETTY_NAME=\"Ubuntu 14.04.6 LTS\"\n",
	"run/systemd/system/": "-", "sbin/initctl": "", "etc/init/rc-sysinit.conf": job, "etc/init/ssh.conf": job,
}

const job = "description \"x\"\nstart on (filesystem\n          or runlevel [2345])\nstop on runlevel [!2345]\n"

func TestUpstartStartsWhatItIsTold(t *testing.T) {
	needPrograms(t, "dash", "dpkg-query", "rpm", "rpmbuild")
	ssh := guesttest.Installed("openssh-server 6.6")
	for _, test := range []struct {
		name   string
		id     requirement.ID
		tree   files
		before requirement.Verdict
		after  files
	}{
		{"job", requirement.SSHServer, with(trusty, ssh), requirement.Met, nil},
		{"job that waits for a hand", requirement.SSHServer, with(trusty, ssh, files{"etc/init/ssh.override": "manual\nnice 1\n"}), requirement.Unmet, files{"etc/init/ssh.override": "nice 1\n"}},
		{"init script without links", requirement.SSHServer, with(trusty, ssh, files{"etc/init/ssh.conf": "-", "etc/init.d/ssh": "x"}), requirement.Unmet, nil},
		{"init script", requirement.NoFirewall, with(trusty, files{"etc/init.d/ferm": "x", "etc/rc2.d/S20ferm": "-> ../init.d/ferm"}), requirement.Unmet, files{"etc/rc2.d/S20ferm": "-"}},
		{"job for which an override does", requirement.NoFirewall, with(trusty, files{"etc/init/nftables.conf": job}), requirement.Unmet, files{
			"etc/init/nftables.conf": job, "etc/init/nftables.override": "manual\n",
		}},
		{"job of EL 6, which knows no override", requirement.NoFirewall, with(el6, files{
			"etc/init/firehol.conf": job, "etc/rc.d/rc3.d/S50iptables": "-", "etc/rc.d/rc3.d/S50ip6tables": "-",
		}), requirement.Unmet, files{
			"etc/init/firehol.conf": "description \"x\"\n#start on (filesystem\n#          or runlevel [2345])\nstop on runlevel [!2345]\n",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root := upstartTree(t, test.tree)
			first := redhatRun(t, dash, root, test.id)
			expectFinding(t, first.Before[0], test.before, "")
			expectFinding(t, first.Findings[0], requirement.Met, "")
			for name, want := range test.after {
				expectFile(t, filepath.Join(root, name), want)
			}
			expectNoChange(t, redhatRun(t, dash, root, test.id))
		})
	}
}

func upstartTree(t *testing.T, tree files) string {
	t.Helper()
	if tree["rpms"] != "" {
		return redhatTree(t, tree)
	}
	Ran(t, "Ubuntu 14.04", Fixtures)
	return guesttest.NewTree(t, tree)
}
