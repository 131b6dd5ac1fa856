package boot

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the program when this one is killed. It is
// in a process group of its own, so that an interrupt from a terminal reaches
// only this program, which ends it in order.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
