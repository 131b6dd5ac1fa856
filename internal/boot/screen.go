package boot

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
)

// maxScreen bounds a screenshot: 4096 by 4096 points of three bytes.
const (
	maxSide   = 4096
	maxScreen = maxSide*maxSide*3 + 64
)

// pngOf turns a binary PPM (ppm(5), P6 with 255 levels), as every version of
// QEMU writes it, into PNG.
func pngOf(r io.Reader) ([]byte, error) {
	b := bufio.NewReader(r)
	var width, height, levels int
	if _, err := fmt.Fscanf(b, "P6\n%d %d\n%d\n", &width, &height, &levels); err != nil {
		return nil, fmt.Errorf("read the head of QEMU's screenshot: %w", err)
	}
	if width < 1 || height < 1 || width > maxSide || height > maxSide || levels != 255 {
		return nil, fmt.Errorf("QEMU's screenshot has %d by %d points of %d levels, want at most %d by %d of 255", width, height, levels, maxSide, maxSide)
	}
	points := make([]byte, width*height*3)
	if _, err := io.ReadFull(b, points); err != nil {
		return nil, fmt.Errorf("read QEMU's screenshot: %w", err)
	}
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := 0; i < len(points); i += 3 {
		at := i / 3
		picture.SetRGBA(at%width, at/width, color.RGBA{points[i], points[i+1], points[i+2], 255})
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("write the screenshot as PNG: %w", err)
	}
	return out.Bytes(), nil
}
