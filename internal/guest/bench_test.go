//go:build linux

package guest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/guest/guesttest"
)

// BenchmarkMend measures a first run in an unready Debian at native speed, and
// a second one that finds nothing to do. What others take is told apart: apt
// installs packages, update-initramfs and update-grub rebuild.
func BenchmarkMend(b *testing.B) {
	for range b.N {
		c := guesttest.NewContainer(b)
		c.Chroot(b, guesttest.Unready)
		c.Boot(b)
		first := timeRun(b, c)
		second := timeRun(b, c)
		b.ReportMetric(first.own.Seconds(), "s-own-first")
		b.ReportMetric(first.packages.Seconds(), "s-apt-first")
		b.ReportMetric(first.rebuilds.Seconds(), "s-rebuilds-first")
		b.ReportMetric((second.own + second.packages + second.rebuilds).Seconds(), "s-second")
		c.Kill()
	}
}

// spent is where the time of a run went.
type spent struct{ own, packages, rebuilds time.Duration }

func timeRun(b *testing.B, c *guesttest.Container) spent {
	b.Helper()
	var s spent
	last, into := time.Now(), &s.own
	enter := func(stage string) {
		*into += time.Since(last)
		last, into = time.Now(), &s.own
		switch {
		case strings.HasPrefix(stage, "install "):
			into = &s.packages
		case strings.HasPrefix(stage, "rebuild "):
			into = &s.rebuilds
		}
	}
	if _, err := guest.Run(context.Background(), c.As("packer"), guest.Options{Progress: enter}); err != nil {
		b.Fatal(err)
	}
	enter("")
	return s
}
