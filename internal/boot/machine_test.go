package boot

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/inspect"
)

func testMachine(t *testing.T, name string) *machine {
	t.Helper()
	arch, err := architectureOf(name)
	if err != nil {
		t.Fatal(err)
	}
	return &machine{
		arch: arch, accelerator: accelerator{name: "tcg"}, memory: 256, cpus: 1, dir: t.TempDir(),
		ports: []int{sshPort, otherPort},
		instance: &instance{
			uuid: "6b9f0c5e-1d2b-4c7a-9a56-0f6d5f1f2a10", mac: "fa:16:3e:01:02:03", address: "172.16.7.42", name: "proof-1", nonce: "0123456789abcdef",
		},
	}
}

func TestMachineIsPresentedAsNovaDoes(t *testing.T) {
	const smbios = "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova,version=32.0.0," +
		"serial=6b9f0c5e-1d2b-4c7a-9a56-0f6d5f1f2a10,uuid=6b9f0c5e-1d2b-4c7a-9a56-0f6d5f1f2a10,family=Virtual Machine"
	cases := map[string]struct {
		arch   string
		change func(*machine)
		want   []string
		lacks  []string
	}{
		"BIOS with a config drive": {
			"x86_64", func(m *machine) { m.configDrive = true },
			[]string{
				"-machine pc,hpet=off,accel=tcg", "-cpu max", "-smbios " + smbios, "-vga virtio",
				"-device virtio-blk-pci,drive=root,bootindex=1", "-device ide-cd,drive=config,bus=ide.0,unit=0",
				"-device virtio-net-pci,netdev=net,mac=fa:16:3e:01:02:03", "-device isa-serial,chardev=console",
				"-device virtio-rng-pci,rng=random", "-device virtio-balloon-pci",
				"hostfwd=tcp:127.0.0.1:0-:22", "dhcpstart=172.16.7.42", "restrict=on",
			},
			[]string{"pflash", "guestfwd", "guest_agent", "-no-acpi"},
		},
		"UEFI with the metadata service and the guest agent": {
			"x86_64", func(m *machine) {
				m.uefi, m.code, m.agent, m.relay = true, "/firmware/a,b.fd", true, []string{"/a b/it's", "x,y"}
			},
			[]string{
				"file=/firmware/a,,b.fd", "unit=1,format=raw,file=", "name=org.qemu.guest_agent.0",
				`guestfwd=tcp:169.254.169.254:80-cmd:'/a b/it'\''s' 'x,,y'`,
			},
			[]string{"ide-cd"},
		},
		"UEFI with a config drive": {
			"x86_64", func(m *machine) { m.uefi, m.configDrive = true, true },
			[]string{"-machine pc,hpet=off", "-device virtio-scsi-pci -device scsi-cd,drive=config"},
			[]string{"ide-cd"},
		},
		"aarch64": {
			"aarch64", func(m *machine) { m.uefi, m.configDrive, m.accelerator = true, true, accelerator{name: "kvm"} },
			[]string{"-machine virt,gic-version=max,accel=kvm", "-cpu host", "-device scsi-cd,drive=config", "-serial chardev:console", "-smbios " + smbios},
			[]string{"isa-serial", "-vga"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := testMachine(t, c.arch)
			c.change(m)
			got := strings.Join(m.arguments(), " ")
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("the command line lacks %q:\n%s", want, got)
				}
			}
			for _, lack := range c.lacks {
				if strings.Contains(got, lack) {
					t.Errorf("the command line has %q:\n%s", lack, got)
				}
			}
		})
	}
}

// startPaused starts a machine that runs no instruction.
func startPaused(t *testing.T, m *machine) (*process, *monitor) {
	t.Helper()
	needPrograms(t, m.arch.program, m.arch.pkg, "qemu-img", "qemu-utils")
	output(t, "qemu-img", "create", "-q", "-f", "qcow2", m.path(overlayFile), "64M")
	screen, err := listenConsole(m.path(consoleSocket), "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProcess(m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	q, err := connectMonitor(ctx, m.path(qmpSocket))
	if err != nil {
		p.kill()
		t.Fatalf("%v: %s", err, &p.complaints)
	}
	t.Cleanup(func() {
		p.kill()
		if err := q.close(); err != nil {
			t.Error(err)
		}
		if err := screen.close(); err != nil {
			t.Error(err)
		}
	})
	return p, q
}

func needPrograms(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if _, err := exec.LookPath(pairs[i]); err != nil {
			t.Skipf("needs %s (Debian package %s): no machine is started", pairs[i], pairs[i+1])
		}
	}
}

func TestRealQEMUTakesTheMachine(t *testing.T) {
	for _, arch := range architectures {
		t.Run(arch.name, func(t *testing.T) {
			m := testMachine(t, arch.name)
			needPrograms(t, arch.program, arch.pkg)
			firmware, err := findFirmware(arch)
			if err == nil {
				m.uefi, m.code = true, firmware.code
				output(t, "cp", firmware.variables, m.path(variablesFile))
			}
			m.configDrive, m.agent, m.relay = true, true, []string{"/bin/false", "a b"}
			if err := writeConfigDrive(m.path(driveFile), map[string][]byte{"openstack/latest/meta_data.json": []byte("{}")}); err != nil {
				t.Fatal(err)
			}
			_, q := startPaused(t, m)
			ctx := context.Background()
			ports, err := q.forwards(ctx)
			if err != nil || ports[sshPort] == 0 || ports[otherPort] == 0 {
				t.Errorf("forwards = %v, %v, want ports for 22 and %d", ports, err, otherPort)
			}
			picture, err := screenshot(ctx, q, m.path("screen.ppm"))
			if err != nil || !strings.HasPrefix(string(picture), "\x89PNG") {
				t.Errorf("screenshot = %d bytes, %v, want a PNG", len(picture), err)
			}
			err = q.run(ctx, "no-such-command", nil, nil)
			if err == nil || !strings.Contains(err.Error(), "no-such-command has not been found") {
				t.Errorf("an unknown command: %v, want QEMU's own words", err)
			}
		})
	}
}

func TestQEMUThatEndsAtItsStartIsQuoted(t *testing.T) {
	m := testMachine(t, "x86_64")
	needPrograms(t, m.arch.program, m.arch.pkg)
	p, err := startProcess(m) // There is neither a console nor a disk.
	if err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if got := p.failure().Error(); !strings.Contains(got, "ended by itself (exit status 1)") || !strings.Contains(got, consoleSocket) {
		t.Errorf("failure = %q, want QEMU's complaint about the console", got)
	}
}

func TestMissingQEMUIsNamedWithItsPackage(t *testing.T) {
	m := testMachine(t, "x86_64")
	m.arch.program = "qemu-system-none"
	_, err := startProcess(m)
	if err == nil || !strings.Contains(err.Error(), "qemu-system-none is not installed; it is in the Debian package qemu-system-x86") {
		t.Errorf("err = %v", err)
	}
}

func TestMissingProgramsAreNamedBeforeAnythingIsBooted(t *testing.T) {
	facts := &inspect.Facts{Architecture: "x86_64"}
	facts.Disk.VirtualSize = 1 << 20
	t.Setenv("PATH", t.TempDir())
	_, err := Prove(context.Background(), Options{Image: "image.raw", Facts: facts})
	if err == nil || !strings.Contains(err.Error(), "is not installed, and a proof needs it; it is in the Debian package qemu-") {
		t.Errorf("err = %v, want the missing program and its package", err)
	}
}

func TestWhatCannotBeBootedIsRefused(t *testing.T) {
	packed := inspect.Facts{Architecture: "x86_64"}
	packed.Disk.Wrapping = []disk.Wrapping{disk.WrappingXZ}
	cases := map[string]struct {
		options Options
		want    string
	}{
		"not inspected":    {Options{Image: "i"}, "has not been inspected"},
		"packed":           {Options{Facts: &packed}, "is packed (xz)"},
		"a small disk":     {Options{Facts: &inspect.Facts{}, DiskSize: -1}, "want more than the image's"},
		"little memory":    {Options{Facts: &inspect.Facts{}, Memory: 1}, "memory of 1 MiB"},
		"other processors": {Options{Facts: &inspect.Facts{Architecture: "riscv64"}}, `"riscv64" cannot be booted here`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := Prove(context.Background(), c.options); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want %q", err, c.want)
			}
		})
	}
}

func TestWaysAreParsed(t *testing.T) {
	cases := []struct {
		names []string
		want  []Via
		err   string
	}{
		{nil, []Via{ConfigDrive, Metadata}, ""},
		{[]string{"metadata"}, []Via{Metadata}, ""},
		{[]string{"metadata", "metadata"}, nil, "named twice"},
		{[]string{"cdrom"}, nil, `"cdrom": want config-drive or metadata`},
	}
	for _, c := range cases {
		got, err := ParseWays(c.names)
		if !slices.Equal(got, c.want) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("ParseWays(%q) = %v, %v, want %v, %q", c.names, got, err, c.want, c.err)
		}
	}
}

func TestSizesAreParsed(t *testing.T) {
	cases := map[string]int64{"8G": 8 << 30, "8192M": 8 << 30, "1": 1, "": 0, "G": 0, "-1G": 0, "0": 0, "9999999999T": 0, "8 G": 0, "8GB": 0}
	for s, want := range cases {
		if got, err := ParseSize(s); got != want || (err == nil) != (want > 0) {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
}
