package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk"
)

// prover makes the runs of one image.
type prover struct {
	options     Options
	dir         string
	arch        architecture
	accelerator accelerator
	uefi        bool
	firmware    firmwareFiles
}

func newProver(ctx context.Context, options Options, dir string) (*prover, error) {
	arch, err := architectureOf(options.Facts.Architecture)
	if err != nil {
		return nil, err
	}
	for program, pkg := range map[string]string{arch.program: arch.pkg, "qemu-img": "qemu-utils"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s is not installed, and a proof needs it; it is in the Debian package %s", program, pkg)
		}
	}
	p := &prover{options: options, dir: dir, arch: arch}
	boot := options.Facts.Boot
	p.uefi = arch.name == "aarch64" || boot.UEFI && !boot.BIOS
	if p.uefi {
		if p.firmware, err = findFirmware(arch); err != nil {
			return nil, err
		}
	}
	if options.LogDir != "" {
		if err := os.MkdirAll(options.LogDir, 0o755); err != nil {
			return nil, fmt.Errorf("make the log folder: %w", err)
		}
	}
	p.accelerator = chooseAccelerator(ctx, arch, dir)
	return p, ctx.Err()
}

func findFirmware(arch architecture) (firmwareFiles, error) {
	for _, files := range arch.firmware {
		_, codeErr := os.Stat(files.code)
		_, variablesErr := os.Stat(files.variables)
		if codeErr == nil && variablesErr == nil {
			return files, nil
		}
	}
	return firmwareFiles{}, fmt.Errorf("the image needs UEFI, and there is no firmware for %s, such as %s; it is in the Debian package %s", arch.name, arch.firmware[0].code, arch.uefiPackage)
}

// newMachine makes the machine of one run with its files in a folder of its own.
func (p *prover) newMachine(ctx context.Context, via Via) (*machine, error) {
	instance, err := newInstance(p.arch.serial)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(p.dir, "run")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the run: %w", err)
	}
	m := &machine{
		arch: p.arch, accelerator: p.accelerator, instance: instance, dir: dir,
		memory: p.options.Memory, cpus: p.options.CPUs,
		uefi: p.uefi, code: p.firmware.code,
		configDrive: via == ConfigDrive,
		agent:       p.options.Facts.GuestAgent.Installed,
		ports:       []int{sshPort, otherPort},
	}
	if p.uefi {
		variables, err := os.ReadFile(p.firmware.variables)
		if err != nil {
			return nil, fmt.Errorf("read the firmware's variables: %w", err)
		}
		if err := os.WriteFile(m.path(variablesFile), variables, 0o600); err != nil {
			return nil, fmt.Errorf("copy the firmware's variables: %w", err)
		}
	}
	if m.configDrive {
		if err := writeConfigDrive(m.path(driveFile), instance.configDriveFiles()); err != nil {
			return nil, err
		}
	}
	return m, p.makeOverlay(ctx, m.path(overlayFile))
}

// qemuFormats are the names of QEMU's drivers where they differ from Glance's.
var qemuFormats = map[disk.Format]string{disk.FormatVHD: "vpc"}

// makeOverlay makes the flavor's disk: what the guest writes goes there, and the
// image is only read.
func (p *prover) makeOverlay(ctx context.Context, overlay string) error {
	image, err := filepath.Abs(p.options.Image)
	if err != nil {
		return err
	}
	format := string(p.options.Facts.Disk.Format)
	if name, ok := qemuFormats[p.options.Facts.Disk.Format]; ok {
		format = name
	}
	out, err := exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", "qcow2",
		"-b", image, "-F", format, overlay, strconv.FormatInt(p.options.DiskSize, 10)).CombinedOutput()
	if err != nil {
		return errors.Join(ctx.Err(), fmt.Errorf("make a disk on top of %s: %w: %s", p.options.Image, err, strings.TrimSpace(string(out))))
	}
	return nil
}

// users are the accounts that the key may reach, the likeliest first.
func (p *prover) users() []string {
	switch {
	case p.options.SSHUser != "":
		return []string{p.options.SSHUser}
	case p.options.Facts.CloudInit.DefaultUser != "":
		return []string{p.options.Facts.CloudInit.DefaultUser, "root"}
	}
	return []string{"root", p.options.Facts.OS.ID}
}
