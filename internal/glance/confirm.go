package glance

import (
	"context"
	"fmt"
)

// confirm waits until Glance has made the image active, and compares what it
// says of the stored data with what was sent. It returns what was compared.
func (p *publication) confirm(ctx context.Context, sums Sums) ([]string, error) {
	p.progress.Step("comparing size and hashes with what Glance has stored")
	image, err := p.settled(ctx)
	if err != nil {
		return nil, fmt.Errorf("confirm the image: %w", err)
	}
	if image.Status != "active" {
		return nil, fmt.Errorf("confirm the image: Glance took the data, but the image is %s and not active after %v", image.Status, p.patience.Settle)
	}
	confirmed, err := p.match(ctx, image, sums)
	if err != nil {
		return nil, fmt.Errorf("confirm the image: %w", err)
	}
	return confirmed, p.addMD5(ctx, image, sums)
}

// match compares the data, or of a disk in another format its size.
func (p *publication) match(ctx context.Context, image *Image, sums Sums) ([]string, error) {
	if p.route.method != MethodPut && image.DiskFormat != p.spec.DiskFormat {
		return p.matchConverted(image)
	}
	if !sums.tell(image) {
		p.progress.Step(fmt.Sprintf("the hash %q of Glance is neither sha256 nor sha512: its MD5 is compared", image.HashAlgo))
		if err := p.addMD5(ctx, image, sums); err != nil {
			return nil, err
		}
	}
	confirmed, err := compare(image, p.source.Size(), p.spec.VirtualSize, sums)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, p.suspect())
	}
	return confirmed, nil
}

// suspect says who may have changed the data.
func (p *publication) suspect() string {
	if p.route.method == MethodWebDownload {
		return "what Glance downloaded is not the file that was inspected here: bring " + p.spec.Sending.shownURL() + " up to date"
	}
	return "Glance or its store changed the data"
}

// matchConverted takes note of another format: a cloud may convert what is
// imported, and then has other bytes of the same disk.
func (p *publication) matchConverted(image *Image) ([]string, error) {
	if p.spec.VirtualSize == 0 || image.VirtualSize != p.spec.VirtualSize {
		return nil, fmt.Errorf("the cloud converted it from %s to %s, and its disk has %d bytes where ours has %d", p.spec.DiskFormat, image.DiskFormat, image.VirtualSize, p.spec.VirtualSize)
	}
	p.progress.Step(fmt.Sprintf("the cloud converted the image from %s to %s: only its virtual size can be compared", p.spec.DiskFormat, image.DiskFormat))
	p.spec.DiskFormat = image.DiskFormat
	return []string{"virtual_size"}, nil
}

func compare(image *Image, size, virtualSize int64, sums Sums) ([]string, error) {
	if image.Size != size {
		return nil, fmt.Errorf("%d bytes were sent, %d are stored", size, image.Size)
	}
	confirmed := []string{"size"}
	if virtualSize != 0 && image.VirtualSize != 0 {
		if image.VirtualSize != virtualSize {
			return nil, fmt.Errorf("the disk has %d bytes, Glance reads a virtual size of %d", virtualSize, image.VirtualSize)
		}
		confirmed = append(confirmed, "virtual_size")
	}
	algorithm, stored := "md5", image.Checksum
	if sums.tell(image) {
		algorithm, stored = image.HashAlgo, image.HashValue
	}
	sent, known := sums[algorithm]
	switch {
	case !known || stored == "":
		return confirmed, nil
	case stored != sent:
		return nil, fmt.Errorf("%s of what was sent is %s, of what is stored %s", algorithm, sent, stored)
	}
	return append(confirmed, algorithm), nil
}
