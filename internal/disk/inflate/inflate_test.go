package inflate

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// contents are what compresses in different ways: matches far, near and over
// themselves, literals alone, codes of all lengths, more than is unpacked at
// once.
func contents(t testing.TB) map[string][]byte {
	t.Helper()
	program, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{1})
	noise := make([]byte, 200<<10)
	if _, err := random.Read(noise); err != nil {
		t.Fatal(err)
	}
	skewed := make([]byte, 300<<10)
	for i, b := range bytes.Repeat(noise, 2)[:len(skewed)] {
		skewed[i] = byte(i) >> (b & 7) >> (b >> 4 & 7)
	}
	texts := map[string][]byte{
		"nothing": nil, "a byte": {0}, "a program": program[:2<<20], "noise": noise, "skewed": skewed,
		"zeros": make([]byte, 1<<20), "far": bytes.Repeat(noise[:window-1], 5), "farthest": bytes.Repeat(noise[:window], 5),
	}
	for n := 1; n <= 9; n++ {
		texts[fmt.Sprintf("a period of %d", n)] = bytes.Repeat(noise[:n], 70000)
	}
	return texts
}

func zipped(t testing.TB, content []byte, level int) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unzip returns the content of a member and what follows it.
func unzip(r io.Reader) (content, rest []byte, err error) {
	in := bufio.NewReaderSize(r, 4096)
	z, err := NewReader(in)
	if err != nil {
		return nil, nil, err
	}
	if content, err = io.ReadAll(z); err != nil {
		return content, nil, err
	}
	rest, err = io.ReadAll(in)
	return content, rest, err
}

func TestContentIsThatOfTheStandardLibrary(t *testing.T) {
	for name, content := range contents(t) {
		for _, level := range []int{gzip.HuffmanOnly, gzip.NoCompression, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression} {
			t.Run(fmt.Sprint(name, " at level ", level), func(t *testing.T) {
				got, rest, err := unzip(io.MultiReader(bytes.NewReader(zipped(t, content, level)), strings.NewReader("next")))
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("got %d bytes and %v, want the %d that were packed", len(got), err, len(content))
				}
				if string(rest) != "next" {
					t.Errorf("it leaves %.20q, want what follows the member", rest)
				}
			})
		}
	}
}

func TestReadsInPiecesAreTheSame(t *testing.T) {
	content := contents(t)["a program"][:300<<10]
	got, _, err := unzip(iotest.OneByteReader(bytes.NewReader(zipped(t, content, 6))))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("got %d bytes and %v, want %d", len(got), err, len(content))
	}
}

func TestFieldsOfTheHeaderAreSkipped(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Name, z.Comment, z.Extra = "initrd", "of a kernel", []byte("\x01\x02\x00\x00")
	if err := errors.Join(second(z.Write([]byte("content"))), z.Close()); err != nil {
		t.Fatal(err)
	}
	packed := b.Bytes()
	header := bytes.Index(packed, []byte("of a kernel\x00")) + len("of a kernel\x00")
	sum := crc32.ChecksumIEEE(packed[:header])
	withSum := append(bytes.Clone(packed[:header]), byte(sum), byte(sum>>8))
	withSum = append(withSum, packed[header:]...)
	withSum[3] |= hasHeaderCRC
	for name, packed := range map[string][]byte{"with texts": packed, "with a checksum": withSum} {
		if got, _, err := unzip(bytes.NewReader(packed)); err != nil || string(got) != "content" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		for n := range header {
			if _, _, err := unzip(bytes.NewReader(packed[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, cut off at %d: got %v", name, n, err)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestWhatIsCutOffIsNoticed(t *testing.T) {
	content := contents(t)["a program"][1<<20:][:2<<10]
	for _, level := range []int{gzip.NoCompression, gzip.BestSpeed, gzip.BestCompression} {
		packed := zipped(t, content, level)
		for n := range packed {
			got, _, err := unzip(bytes.NewReader(packed[:n]))
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("level %d, cut off at byte %d of %d: got %v", level, n, len(packed), err)
			}
			if !bytes.HasPrefix(content, got) {
				t.Fatalf("level %d, cut off at byte %d of %d: %d bytes that are not the content", level, n, len(packed), len(got))
			}
		}
	}
}

func TestAnErrorOfTheInputIsKept(t *testing.T) {
	packed := zipped(t, contents(t)["a program"][:20<<10], 6)
	broken := errors.New("a sector cannot be read")
	in := io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(broken))
	if _, _, err := unzip(in); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestADamagedBitIsNoticed(t *testing.T) {
	content := contents(t)["a program"][1<<20:][:1<<10]
	packed := zipped(t, content, 6)
	const header = 10
	for bit := header * 8; bit < len(packed)*8; bit++ {
		packed[bit/8] ^= 1 << (bit % 8)
		if got, _, err := unzip(bytes.NewReader(packed)); err == nil && !bytes.Equal(got, content) {
			t.Fatalf("bit %d of %d changed the content, and nobody said so", bit, len(packed)*8)
		}
		packed[bit/8] ^= 1 << (bit % 8)
	}
}

func TestImpossibleStreamsAreRefused(t *testing.T) {
	for name, row := range map[string]struct{ raw, says string }{
		"a kind of block":              {"\x07", "kind that does not exist"},
		"lengths that differ":          {"\x01\x01\x00\x00\x00", "lengths of a block that differ"},
		"30 distances and 288 codes":   {"\xfd\xff\xff\xff", "more codes than there are"},
		"no code lengths":              {"\x05\x00\x00\x00", "length of a code that stands for nothing"},
		"a match before the beginning": {"\x03\x02\x00", "from before the beginning"},
		"a code of fixed ones, 286":    {"\x1b\x03", "stands for nothing"},
		"a distance of fixed ones, 30": {"\x03\x3e\x00", "distance that stands for nothing"},
		"three lengths of one bit":     {"\x05\x00\x92\x00", "impossible lengths of codes"},
	} {
		d := newDecoder(bufio.NewReader(strings.NewReader(row.raw + strings.Repeat("\x00", 16))))
		var err error
		for err == nil {
			_, err = d.next()
		}
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: got %v, want %q", name, err, row.says)
		}
		if _, again := d.next(); !errors.Is(again, err) {
			t.Errorf("%s: then %v", name, again)
		}
	}
}

// FuzzDecoder holds that we say of any bytes what the standard library says.
func FuzzDecoder(f *testing.F) {
	for _, content := range contents(f) {
		for _, level := range []int{gzip.HuffmanOnly, gzip.BestSpeed, gzip.BestCompression} {
			f.Add(zipped(f, content[:min(len(content), 3000)], level)[10:])
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		const most = 1 << 20
		in := bufio.NewReader(bytes.NewReader(raw))
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(in), most))
		ours := bufio.NewReader(bytes.NewReader(raw))
		d := newDecoder(ours)
		var got []byte
		var err error
		for err == nil && len(got) < most {
			var some []byte
			some, err = d.next()
			got = append(got, some...)
		}
		if len(want) == most {
			if !bytes.HasPrefix(got, want) {
				t.Fatal("the first bytes differ")
			}
			return
		}
		if (wantErr == nil) != errors.Is(err, io.EOF) {
			t.Fatalf("got %v, want %v", err, wantErr)
		}
		if wantErr != nil {
			return
		}
		rest, _ := io.ReadAll(ours)
		wantRest, _ := io.ReadAll(in)
		if !bytes.Equal(got, want) || !bytes.Equal(rest, wantRest) {
			t.Fatalf("got %d bytes before %d, want %d before %d", len(got), len(rest), len(want), len(wantRest))
		}
	})
}
