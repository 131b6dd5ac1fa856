package boot

import (
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dieWithParent makes the kernel kill the program when this one is killed. It is
// in a process group of its own, so that an interrupt from a terminal reaches
// only this program, which ends it in order.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// cpuTime is what the program has used of all processors; false where that is
// not known. Its clock's number is made of the process's: clock_getcpuclockid(3)
// and the kernel's include/linux/posix-timers.h, CPUCLOCK_SCHED.
func (p *process) cpuTime() (time.Duration, bool) {
	var spent unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|2), &spent); err != nil {
		return 0, false
	}
	return time.Duration(spent.Nano()), true
}
