package btrfs

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/disk/diskerr"
)

const endOfStream = "\x11\x00\x00"

func TestLZOStreamIsUnpackedAndBounded(t *testing.T) {
	for _, test := range []struct {
		name, packed, want string
		err                error
	}{
		{"literals", "\x16hello" + endOfStream, "hello", nil},
		{"few literals, then a match", "\x13ab\x00\x00" + endOfStream, "abbb", nil},
		{"match", "\x15abcd\x6c\x00" + endOfStream, "abcdabcd", nil},
		{"match with literals", "\x15abcd\x6e\x00xy" + endOfStream, "abcdabcdxy", nil},
		{"match that overlaps itself", "\x15aaab\xe0\x00" + endOfStream, "aaabbbbbbbbb", nil},
		{"long match", "\x15abcd\x20\x01\x0c\x00" + endOfStream, "abcd" + strings.Repeat("abcd", 8) + "ab", nil},
		{"many literals", "\x00\x01" + strings.Repeat("l", 19) + endOfStream, strings.Repeat("l", 19), nil},
		{"nothing", "", "", errLZOInput},
		{"no end", "\x16hello", "", errLZOInput},
		{"literals that are not there", "\x16hell", "", errLZOInput},
		{"length that does not end", "\x00\x00\x00\x00", "", errLZOInput},
		{"match without distance", "\x15abcd\x20", "", errLZOInput},
		{"match before the start", "\x15abcd\x7c\x00" + endOfStream, "", errLZOMatch},
		{"far match before the start", "\x15abcd\x12\x04\x00" + endOfStream, "", errLZOMatch},
		{"too many literals", "\x00\x21" + strings.Repeat("l", 51) + endOfStream, "", errLZOOutput},
		{"too long a match", "\x15abcd\x20\x20\x0c\x00" + endOfStream, "", errLZOOutput},
	} {
		out := make([]byte, 48)
		n, err := unpackSegment(out, []byte(test.packed))
		if !errors.Is(err, test.err) || (err == nil && string(out[:n]) != test.want) {
			t.Errorf("%s: got %q, %v, want %q, %v", test.name, out[:n], err, test.want, test.err)
		}
	}
}

func lzoFrame(total int, segments ...string) []byte {
	frame := binary.LittleEndian.AppendUint32(nil, uint32(total))
	for _, s := range segments {
		frame = append(binary.LittleEndian.AppendUint32(frame, uint32(len(s))), s...)
	}
	return frame
}

func TestLZOSegmentsAreFramed(t *testing.T) {
	const segment, sector = "\x16hello" + endOfStream, 4096
	for _, test := range []struct {
		name   string
		packed []byte
		want   string
	}{
		{"two", lzoFrame(30, segment, segment), "hellohello"},
		{"what follows is not read", append(lzoFrame(17, segment), "junk"...), "hello"},
		{"total that is too small", lzoFrame(3, segment), ""},
		{"total that is too large", lzoFrame(100, segment), ""},
		{"total of 32 bits", lzoFrame(-1, segment), ""},
		{"segment cut off", lzoFrame(16, segment), ""},
		{"segment of no length", lzoFrame(8, ""), ""},
		{"half a length", lzoFrame(6, segment), ""},
		{"no total", []byte{1, 0}, ""},
	} {
		out := make([]byte, 10)
		err := unpackLZO(out, test.packed, sector)
		if got := strings.TrimRight(string(out), "\x00"); (err == nil) != (test.want != "") || (err == nil && got != test.want) {
			t.Errorf("%s: got %q, %v, want %q", test.name, got, err, test.want)
		}
	}
}

// FuzzUnpack: whatever is packed makes the bytes that were asked for, or is
// corrupt.
func FuzzUnpack(f *testing.F) {
	f.Add(uint8(compressedLZO), lzoFrame(17, "\x16hello"+endOfStream))
	f.Add(uint8(compressedLZO), lzoFrame(23, "\x15abcd\x20\x01\x0c\x00"+endOfStream))
	f.Add(uint8(compressedZlib), []byte("\x78\x9c\x4b\x04\x00\x00\x62\x00\x62"))
	f.Add(uint8(compressedZstd), []byte("\x28\xb5\x2f\xfd\x04\x00\x09\x00\x00a\x00\x00\x00\x00"))
	u := &unpacker{sectorSize: minBlock}
	f.Fuzz(func(t *testing.T, kind uint8, packed []byte) {
		if len(packed) > maxPacked {
			return
		}
		c := compressedZlib + compression(kind)%maxCompression
		out, err := u.unpack(c, packed, maxPacked)
		if (err == nil && len(out) != maxPacked) || (err != nil && !errors.Is(err, diskerr.ErrCorrupt)) {
			t.Errorf("%v: got %d bytes, %v", c, len(out), err)
		}
	})
}

func TestInodeNumbersOfAnySizeAreToldApart(t *testing.T) {
	v := &Volume{far: newNumbers[place](), stale: newNumbers[staleName]()}
	seen := map[uint64]place{}
	for _, want := range []place{{5, 256}, {256, 256}, {5, 257}, {1, 1<<40 - 1}, {5, 1 << 40}, {1<<22 - 1, 256}, {1 << 22, 256}, {1 << 50, 1 << 63}, {5, 1<<63 | 256}} {
		number, err := v.number(want)
		if err != nil {
			t.Fatal(err)
		}
		again, err := v.number(want)
		if got, placeErr := v.place(number); err != nil || placeErr != nil || got != want || again != number {
			t.Errorf("%v: got %v by number %#x, and then %#x (%v, %v)", want, got, number, again, err, placeErr)
		}
		if other, ok := seen[number]; ok || number&staleBit != 0 {
			t.Errorf("%v: has the number %#x, as %v", want, number, other)
		}
		seen[number] = want
	}
	if _, err := v.place(farBit | 99); !errors.Is(err, diskerr.ErrCorrupt) {
		t.Errorf("number that was not handed out: got %v, want ErrCorrupt", err)
	}
}
