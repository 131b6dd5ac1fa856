package boot

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// accelerator is how the guest's processor is run.
type accelerator struct {
	// name is QEMU's: kvm or tcg.
	name string
	// reason says why it is not kvm.
	reason string
}

func (a accelerator) cpu() string {
	if a.name == "kvm" {
		return "host"
	}
	return "max"
}

func (a accelerator) String() string {
	if a.reason == "" {
		return a.name
	}
	return a.name + " (emulated: " + a.reason + ")"
}

// slowness is by how much longer an emulated guest may take for anything.
func (a accelerator) slowness() time.Duration {
	if a.name == "kvm" {
		return 1
	}
	return 3
}

// probeLimit is how long KVM may take for a few instructions.
const probeLimit = 5 * time.Second

// chooseAccelerator runs a guest of a few instructions under KVM, since
// /dev/kvm may exist and its guests still hang, and falls back to emulation.
func chooseAccelerator(ctx context.Context, arch architecture, dir string) accelerator {
	if reason := refuseKVM(ctx, arch, dir); reason != "" {
		return accelerator{"tcg", reason}
	}
	return accelerator{name: "kvm"}
}

func refuseKVM(ctx context.Context, arch architecture, dir string) string {
	if machine := (map[string]string{"amd64": "x86_64", "arm64": "aarch64"})[runtime.GOARCH]; machine != arch.name {
		return fmt.Sprintf("the image is for %s, this machine is %s", arch.name, runtime.GOARCH)
	}
	device, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return err.Error()
	}
	_ = device.Close()
	if arch.name != "x86_64" {
		return ""
	}
	said, err := runProbe(ctx, arch, dir)
	if bytes.Equal(said, []byte("K")) {
		return ""
	}
	return fmt.Sprintf("/dev/kvm is there, but a guest of a few instructions got nowhere in %s (%v)", probeLimit, err)
}

// runProbe boots a sector that writes a byte to the debug port from 64-bit mode
// and leaves through isa-debug-exit, which never ends with status 0.
func runProbe(ctx context.Context, arch architecture, dir string) (said []byte, err error) {
	sector := make([]byte, 512)
	code, err := base64.StdEncoding.DecodeString(probeSector)
	if err != nil {
		return nil, err
	}
	copy(sector, code)
	sector[510], sector[511] = 0x55, 0xaa
	disk, log := filepath.Join(dir, "probe"), filepath.Join(dir, "probe.said")
	if err := os.WriteFile(disk, sector, 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	err = exec.CommandContext(ctx, arch.program, "-accel", "kvm", "-cpu", "host", "-m", "16",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-drive", "format=raw,if=ide,snapshot=on,file="+quoteComma(disk),
		"-chardev", "file,id=said,path="+quoteComma(log), "-device", "isa-debugcon,iobase=0xe9,chardev=said",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=4").Run()
	said, _ = os.ReadFile(log) // Without the file nothing was said.
	return said, err
}

// probeSector is assembled with GNU as from:
//
//	.intel_syntax noprefix
//	.code16
//	  cli; xor eax,eax; mov ds,ax; mov es,ax
//	  mov edi,0x1000; mov cr3,edi; mov ecx,0xc00; cld; rep stosd
//	  mov word ptr [0x1000],0x2003; mov word ptr [0x2000],0x3003; mov word ptr [0x3000],0x83
//	  mov eax,0x20; mov cr4,eax                         # PAE
//	  mov ecx,0xc0000080; mov eax,0x100; wrmsr          # EFER.LME
//	  mov eax,0x80000001; mov cr0,eax                   # PG, PE
//	  lgdt [gdtr]; ljmp 8, offset long_mode
//	.code64
//	long_mode: mov al,0x4b; out 0xe9,al; out 0xf4,al; hlt
//	gdtr: .word 15; .long gdt
//	gdt: .quad 0, 0x00209a0000000000
const probeSector = "+mYxwI7YjsBmvwAQAAAPIt9muQAMAAD8ZvOrxwYAEAMgxwYAIAMwxwYAMIMAZrggAAAADyLgZrmA" +
	"AADAZrgAAQAADzBmuAEAAIAPIsAPARZefOpXfAgAsEvm6eb09A8AZHwAAAAAAAAAAAAAAAAAAA=="
