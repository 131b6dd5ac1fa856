//go:build !linux

package boot

import (
	"os/exec"
	"time"
)

// dieWithParent does nothing: only Linux ends a child with its parent.
func dieWithParent(*exec.Cmd) {}

// cpuTime is not known.
func (p *process) cpuTime() (time.Duration, bool) { return 0, false }
