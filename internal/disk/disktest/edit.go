package disktest

import (
	"bytes"
	"encoding/binary"
)

const (
	editSize  = 3
	editBlock = 1024
)

// Edit returns a copy of image with bytes replaced: each three bytes of edits
// are a position, counted over the blocks that are not all zeros, and the new
// byte. A fuzzer's inputs are short that way, and hit what matters.
func Edit(image, edits []byte) []byte {
	edited := bytes.Clone(image)
	var used []int
	for at := 0; at+editBlock <= len(image); at += editBlock {
		if !bytes.Equal(image[at:at+editBlock], make([]byte, editBlock)) {
			used = append(used, at)
		}
	}
	for ; len(edits) >= editSize && len(used) > 0; edits = edits[editSize:] {
		position := int(binary.BigEndian.Uint16(edits))
		edited[used[position/editBlock%len(used)]+position%editBlock] = edits[2]
	}
	return edited
}
