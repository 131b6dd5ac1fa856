//go:build linux

package guest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/report"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// redhatPackages are those of Debian that make the container an EL 9 as far as
// the guest program can tell: its package manager, initramfs maker and init are real.
const redhatPackages = "systemd,systemd-sysv,dbus,libpam-systemd,udev,openssh-server,sudo,dnf,rpm,dracut," +
	"linux-image-cloud-amd64,grub-common,e2fsprogs,python3-yaml,kmod,procps,iproute2,cpio,zstd,xz-utils"

// redhatSpec are the packages that the guest has, and those in its repository.
// What of cloud-init matters are its files; its program cleans as the real one does.
const redhatSpec = `Name: openssh-server
Version: 8.7p1
Release: 45.el9
Summary: x
License: x
BuildArch: noarch
%description
x
%package -n e2fsprogs
Version: 1.46.5
Summary: x
%description -n e2fsprogs
x
%package -n cloud-init
Version: 24.4
Summary: x
%description -n cloud-init
x
%package -n cloud-utils-growpart
Version: 0.33
Summary: x
%description -n cloud-utils-growpart
x
%package -n qemu-guest-agent
Version: 9.0
Summary: x
%description -n qemu-guest-agent
x
%install
mkdir -p %{buildroot}/etc/cloud/cloud.cfg.d %{buildroot}/usr/lib/systemd/system %{buildroot}/usr/bin %{buildroot}/usr/lib/udev/rules.d
cat >%{buildroot}/etc/cloud/cloud.cfg <<'END'
users: [default]
ssh_genkeytypes: ~
cloud_init_modules: [growpart, resizefs, set_hostname, users-groups, ssh]
cloud_final_modules: [scripts-user]
system_info:
  distro: rocky
  default_user: {name: rocky}
  network: {renderers: ['sysconfig', 'eni', 'netplan', 'network-manager', 'networkd']}
END
for unit in cloud-init-local cloud-init cloud-config cloud-final qemu-guest-agent; do
  printf '[Unit]\nConditionPathExists=!/etc/cloud/cloud-init.disabled\n[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' \
    >%{buildroot}/usr/lib/systemd/system/$unit.service
done
cat >%{buildroot}/usr/bin/cloud-init <<'END'
#!/usr/libexec/platform-python -s
import shutil, sys
if sys.argv[1:] != ["clean", "--help"]:
    shutil.rmtree("/var/lib/cloud", ignore_errors=True)
END
echo 'ENV{SYSTEMD_WANTS}="qemu-guest-agent.service"' >%{buildroot}/usr/lib/udev/rules.d/99-qemu-guest-agent.rules
%files
%files -n e2fsprogs
%files -n cloud-init
/etc/cloud
/usr/lib/systemd/system/cloud-*
%attr(755,root,root) /usr/bin/cloud-init
%files -n cloud-utils-growpart
%files -n qemu-guest-agent
/usr/lib/systemd/system/qemu-guest-agent.service
/usr/lib/udev/rules.d/99-qemu-guest-agent.rules
`

// redhatRepository lets dnf find the packages, and rpm those that are installed.
const redhatRepository = `
rm -f /etc/os-release
rpm --install --justdb --nodeps --noscripts /srv/repo/openssh-server-*.rpm /srv/repo/e2fsprogs-*.rpm
mkdir -p /etc/yum.repos.d /usr/libexec
printf '[local]\nname=local\nbaseurl=file:///srv/repo\ngpgcheck=0\n' >/etc/yum.repos.d/local.repo
ln -s /usr/bin/python3 /usr/libexec/platform-python
`

// unreadyRedHat makes the container an EL 9 that lacks what the image guide asks
// for. Names that Debian has differently, and what it lacks, are set up first;
// dracut is kept to the modules that the test looks for, since it compresses long.
const unreadyRedHat = `
printf 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.6"\nPRETTY_NAME="Rocky Linux 9.6 (Blue Onyx)"\n' >/etc/os-release
rm -f /srv/repo/openssh-server-* /etc/systemd/system/sshd.service /etc/systemd/system/multi-user.target.wants/ssh.service /lib/systemd/system/ssh*
mkdir -p /srv/rest /usr/lib64/NetworkManager/1.46 /etc/sysconfig/network-scripts /etc/lvm/devices /run/sshd
mv /srv/repo/repodata /srv/rest
mv /srv/part /srv/repo/repodata
echo '. /etc/default/grub' >/usr/sbin/grub2-mkconfig
ln -s /usr/bin/grub-editenv /usr/bin/grub2-editenv
printf '#!/bin/sh\necho "$@" >>/var/lib/labelled\n' >/usr/sbin/restorecon
chmod +x /usr/sbin/restorecon
cat >/usr/lib/systemd/system/sshd-keygen@.service <<'END'
[Unit]
ConditionFileNotEmpty=|!/etc/ssh/ssh_host_%i_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t %i -N '' -f /etc/ssh/ssh_host_%i_key
END
printf '[Unit]\nWants=sshd-keygen@ed25519.service sshd-keygen@rsa.service\nAfter=sshd-keygen@ed25519.service sshd-keygen@rsa.service\n' >/usr/lib/systemd/system/sshd-keygen.target
printf '[Unit]\nAfter=sshd-keygen.target\nWants=sshd-keygen.target\n[Service]\nRuntimeDirectory=sshd\nExecStart=/usr/sbin/sshd -D -p 2298 -o ListenAddress=127.0.0.1\n[Install]\nWantedBy=multi-user.target\n' >/usr/lib/systemd/system/sshd.service
for unit in NetworkManager firewalld; do
  printf '[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' >/usr/lib/systemd/system/$unit.service
done
systemctl enable sshd NetworkManager firewalld
: >/usr/lib64/NetworkManager/1.46/libnm-settings-plugin-ifcfg-rh.so
printf 'dracutmodules+=" base kernel-modules "\ncompress="cat"\n' >/etc/dracut.conf.d/90-test.conf

useradd -m -s /bin/bash packer
echo 'packer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/packer
mkdir -p /root/.ssh /var/log/anaconda /boot/loader/entries /boot/grub2
echo 'ssh-ed25519 AAAA builder' >/root/.ssh/authorized_keys
echo x >/root/anaconda-ks.cfg
echo x >/var/log/anaconda/syslog
echo 'IDTYPE=sys_wwid' >/etc/lvm/devices/system.devices
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
rm -f /var/lib/dbus/machine-id
printf 'DEVICE=br7\nMACADDR=52:54:00:12:34:56\n' >/etc/sysconfig/network-scripts/ifcfg-br7
printf 'GRUB_CMDLINE_LINUX="crashkernel=1G rhgb quiet"\nGRUB_ENABLE_BLSCFG=true\n' >/etc/default/grub
printf 'insmod blscfg\nblscfg\n' >/boot/grub2/grub.cfg
grub2-editenv /boot/grub2/grubenv create
grub2-editenv /boot/grub2/grubenv set 'kernelopts=root=UUID=1f5f ro rhgb quiet'
for kernel in /lib/modules/*; do
  version=${kernel##*/}
  rm /boot/initrd.img-$version
  cp /bin/true /boot/initramfs-$version.img
  printf 'title Rocky\nlinux /vmlinuz-%s\ninitrd /initramfs-%s.img\noptions $kernelopts $tuned_params\n' $version $version >/boot/loader/entries/0123-$version.conf
done
`

func TestUnreadyRockyIsMended(t *testing.T) {
	c := redhatContainer(t)
	expectInstalls(t, c)
	guest.Ran(t, "Rocky Linux 9", guest.PackageManager)
	c.Chroot(t, unreadyRedHat)
	c.Boot(t)

	expectAgentMissed(t, provision(t, c, report.Mend))
	c.Chroot(t, "rm -r /srv/repo/repodata; mv /srv/rest/repodata /srv/repo/")
	expectStillMet(t, provision(t, c, report.Mend))
	last := provision(t, c, report.Mend)
	if len(last.Changes) > 0 {
		t.Errorf("a run with nothing to do changed something: %v", last.Changes)
	}
	expectStillMet(t, last)
	expectLabelled(t, c)
	c.Shutdown(t)
	expectNoRedHatIdentity(t, c.Dir)
	c.Boot(t)
	for _, command := range []string{
		"test -s /etc/ssh/ssh_host_ed25519_key",
		"systemctl is-active sshd.service",
		"! systemctl is-enabled firewalld.service",
		"grub2-editenv /boot/grub2/grubenv list | grep -x 'kernelopts=root=UUID=1f5f ro console=tty0 console=ttyS0,115200n8'",
		"rpm -q cloud-init cloud-utils-growpart qemu-guest-agent",
	} {
		if _, err := c.As("root").Output(command); err != nil {
			t.Error(err)
		}
	}
}

// redhatContainer is one with a repository, which is no distribution yet.
func redhatContainer(t *testing.T) *guesttest.Container {
	t.Helper()
	for _, program := range []string{"rpmbuild", "createrepo_c"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (Debian packages rpm and createrepo-c): to mend a guest with a real dnf is left out", program)
		}
	}
	c := guesttest.NewContainerOf(t, "redhat", redhatPackages)
	makeRepository(t, c.Dir+"/srv")
	c.Chroot(t, redhatRepository)
	return c
}

// expectInstalls lets dnf install under the names of the family, and as yum,
// while the container is not booted.
func expectInstalls(t *testing.T, c *guesttest.Container) {
	t.Helper()
	c.Chroot(t, "mkdir -p /run/systemd/system")
	for _, test := range []struct{ system, release, manager string }{
		{"Fedora 43", `ID=fedora`, "dnf"},
		{"AlmaLinux 10", `ID="almalinux"\nID_LIKE="rhel centos fedora"`, "dnf"},
		{"Oracle Linux 8", `ID="ol"\nID_LIKE="fedora"`, "dnf"},
		{"CentOS 8", `ID="centos"\nID_LIKE="rhel fedora"`, "dnf"},
		{"Amazon Linux 2023", `ID="amzn"\nID_LIKE="fedora"`, "dnf"},
		{"CentOS 7", `ID="centos"\nID_LIKE="rhel fedora"`, "yum"},
	} {
		t.Run(test.system, func(t *testing.T) {
			guest.Ran(t, test.system, guest.PackageManager)
			c.Chroot(t, "printf '"+test.release+"\nPRETTY_NAME=\""+test.system+"\"\n' >/etc/os-release; "+
				"[ "+test.manager+" = dnf ] || mv /usr/bin/dnf /usr/bin/"+test.manager)
			rep := installAgent(t, c)
			if f := rep.Findings[0]; f.Verdict != requirement.Met || rep.Before[0].Verdict != requirement.Unmet {
				t.Errorf("got %s, then %s: %v", rep.Before[0].Verdict, f.Verdict, f.Evidence)
			}
			c.Chroot(t, "rpm -q qemu-guest-agent; rpm --erase qemu-guest-agent; "+
				"[ "+test.manager+" = dnf ] || mv /usr/bin/"+test.manager+" /usr/bin/dnf")
		})
	}
	c.Chroot(t, "rmdir /run/systemd/system")
}

// installAgent mends the requirement guest-agent alone.
func installAgent(t *testing.T, c *guesttest.Container) *report.Report {
	t.Helper()
	opts := guest.Options{}
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		if r.ID != requirement.GuestAgent {
			opts.Skip = append(opts.Skip, r.ID)
		}
	}
	rep, err := guest.Run(context.Background(), guesttest.Exec{Shell: []string{"chroot", c.Dir, "/bin/sh", "-c"}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// makeRepository makes a repository of the packages of redhatSpec below dir, in
// the folder repo, and in part the index of one without the guest agent.
func makeRepository(t *testing.T, dir string) {
	t.Helper()
	top := t.TempDir()
	if err := os.WriteFile(top+"/all.spec", []byte(redhatSpec), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"rpmbuild", "-bb", "--quiet", "--define", "_topdir " + top, "--define", "_rpmdir " + dir + "/repo", "--define", "_rpmfilename %%{NAME}-%%{VERSION}.rpm", top + "/all.spec"},
		{"createrepo_c", "--quiet", "--excludes=qemu-guest-agent-*", dir + "/repo"},
		{"mv", dir + "/repo/repodata", dir + "/part"},
		{"createrepo_c", "--quiet", dir + "/repo"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
}

// expectAgentMissed looks at a run whose repository lacks the guest agent, which
// costs no other package.
func expectAgentMissed(t *testing.T, rep *report.Report) {
	t.Helper()
	for _, f := range rep.Findings {
		missed := f.ID == requirement.GuestAgent
		if missed != (f.Verdict == requirement.Unmet) && !slices.Contains(unseeable, f.ID) {
			t.Errorf("%s without a package for the guest agent: %s: %v", f.ID, f.Verdict, f.Evidence)
		}
		if said := strings.Join(f.Evidence, "\n"); missed && !strings.Contains(said, "Unable to find a match: qemu-guest-agent") {
			t.Errorf("got %q", said)
		}
	}
}

// expectLabelled looks at what restorecon was called for.
func expectLabelled(t *testing.T, c *guesttest.Container) {
	t.Helper()
	b, err := os.ReadFile(c.Dir + "/var/lib/labelled")
	if err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/etc/cloud/cloud.cfg.d/99_zz_openstack_ready.cfg", "/etc/dracut.conf.d/20-openstack-ready.conf"} {
		if !strings.Contains(string(b), path+"\n") {
			t.Errorf("%s got no SELinux label", path)
		}
	}
}

func expectNoRedHatIdentity(t *testing.T, root string) {
	t.Helper()
	for _, pattern := range []string{
		"/etc/ssh/ssh_host_*", "/root/.ssh/*", "/root/anaconda-ks.cfg", "/var/log/anaconda", "/var/log/dnf*.log",
		"/var/cache/dnf/*", "/etc/lvm/devices/system.devices", "/etc/cloud/cloud-init.disabled",
	} {
		left, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) > 0 {
			t.Errorf("left in the image: %v", left)
		}
	}
}
