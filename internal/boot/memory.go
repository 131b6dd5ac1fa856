package boot

import (
	"context"
	"slices"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// LeastMemory boots the image with each of the sizes in MiB, the smallest first,
// and returns the first with which every required proof is met; options.Memory,
// which is known to suffice, where none is. Each try is one boot by the first of
// the ways, without a reboot, and has options.Timeout.
func LeastMemory(ctx context.Context, options Options, sizes []int) (int, error) {
	if err := options.complete(); err != nil {
		return 0, err
	}
	enough := options.Memory
	options.Via, options.NoReboot, options.LogDir = options.Via[:1], true, ""
	for _, size := range slices.Sorted(slices.Values(sizes)) {
		if size >= enough {
			break
		}
		options.Memory = size
		result, err := Prove(ctx, options)
		if err != nil {
			return 0, err
		}
		if len(requirement.Failing(result.Findings)) == 0 {
			return size, nil
		}
	}
	return enough, nil
}
