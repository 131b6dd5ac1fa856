package filesystem

import "fmt"

// Geometry is what a file system says of itself.
type Geometry struct {
	// Type is the kind of file system as blkid names it: ext4, xfs, …
	Type string `json:"type"`
	// BlockSize and Bytes, the whole file system's, are in bytes.
	BlockSize int64 `json:"block_size"`
	Bytes     int64 `json:"bytes"`
	// Step is in bytes: tools that make or grow the file system can leave less
	// than it unused at the end of its partition.
	Step int64 `json:"step"`
	// UUID is as blkid writes it.
	UUID  string `json:"uuid"`
	Label string `json:"label,omitempty"`
	// Features has the names that the file system's own tools use.
	Features []string `json:"features"`
	// Replayed is the number of blocks that are read from the journal, because
	// the file system was not unmounted: Linux would write them back at mount.
	Replayed int `json:"replayed,omitempty"`
	// Clean says that what is read is what Linux shows once it has mounted the
	// file system. Else nothing that is read is proof; Unclean is the reason.
	Clean   bool   `json:"clean"`
	Unclean string `json:"unclean,omitempty"`
}

// UUID writes a UUID as blkid does, in lower case.
func UUID(u [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
