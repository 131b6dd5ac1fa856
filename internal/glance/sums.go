package glance

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// Sums are the hashes of what was sent, in hexadecimal digits, by the names
// that Glance has for them: sha256 and sha512, and md5 once the image was
// confirmed.
type Sums map[string]string

// transferred are the algorithms of what is hashed while it is sent: Glance's
// own (its option hashing_algorithm, SHA-512 unless an operator changes it), and
// that by which openstacksdk knows an image. MD5, the other one of these, would
// take longer than both.
func transferred() []string { return []string{"sha256", "sha512"} }

func newHashes(algorithms []string) map[string]hash.Hash {
	makers := map[string]func() hash.Hash{"md5": md5.New, "sha256": sha256.New, "sha512": sha512.New}
	hashes := map[string]hash.Hash{}
	for _, name := range algorithms {
		hashes[name] = makers[name]()
	}
	return hashes
}

// tell reports whether the sums hold the hash that Glance has of the image.
func (s Sums) tell(image *Image) bool { return image.HashValue != "" && s[image.HashAlgo] != "" }

// read reads the source once to know its hashes.
func (p *publication) read(ctx context.Context, algorithms ...string) (Sums, error) {
	total := p.source.Size()
	reading, err := openPass(p.source, algorithms, func(int64) {}, func(read int64) { p.progress.Sent(read, total) })
	if err != nil {
		return nil, err
	}
	defer reading.end()
	p.progress.Sent(0, total)
	if err := reading.skim(ctx); err != nil {
		return nil, err
	}
	return reading.whole()
}

// addMD5 adds that which Glance tells of the image, where another hash shows that
// the data are ours; else they are read once more.
func (p *publication) addMD5(ctx context.Context, image *Image, sums Sums) error {
	ours := sums.tell(image) && sums[image.HashAlgo] == image.HashValue
	switch {
	case sums["md5"] != "":
		return nil
	case ours && image.Checksum != "":
		sums["md5"] = image.Checksum
		return nil
	}
	p.progress.Step("reading the data once more for their MD5, which Glance does not vouch for")
	read, err := p.read(ctx, "md5")
	if err != nil {
		return err
	}
	sums["md5"] = read["md5"]
	return nil
}
