package glance

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDuplicate(t *testing.T) {
	client := signIn(t, realCloud(t))
	name := unique("duplicate")
	spec := Spec{Name: name, DiskFormat: "raw", Tags: []string{"old"}, Properties: map[string]string{"os_distro": "debian", "a b.c": "1"}}
	source := open(t, sparse(t, 1<<20))
	first, err := client.Publish(t.Context(), spec, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, client, first.ID)

	spec.Tags, spec.MinDisk, spec.MinRAM, spec.Visibility = []string{"new"}, 2, 512, "shared"
	spec.Properties = map[string]string{"os_distro": "ubuntu", "a b.c": "2", "os_version": "24.04"}
	spec.OnDuplicate = DuplicateReuse
	again, err := client.Publish(t.Context(), spec, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID != first.ID || !again.Reused {
		t.Fatalf("got image %s, reused %v, want %s reused", again.ID, again.Reused, first.ID)
	}
	if want := []string{"size", "sha512"}; !slices.Equal(again.Confirmed, want) {
		t.Errorf("confirmed %v, want %v", again.Confirmed, want)
	}
	want := maps.Clone(spec.Properties)
	maps.Copy(want, map[string]string{ownerMD5: first.Checksum, ownerSHA256: first.Properties[ownerSHA256], ownerObject: "images/" + name})
	if !maps.Equal(again.Properties, want) || want[ownerSHA256] == "" {
		t.Errorf("got properties %v, want %v", again.Properties, want)
	}

	spec.OnDuplicate = DuplicateFail
	_, err = client.Publish(t.Context(), spec, source, nil)
	checkError(t, err, []string{first.ID, "same name and data", "on_duplicate"})

	spec.OnDuplicate = DuplicateUpload
	second, err := client.Publish(t.Context(), spec, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, client, second.ID)
	if second.ID == first.ID || second.Reused {
		t.Error("on_duplicate = upload took the image that was there")
	}
	path := filepath.Join(t.TempDir(), "other.raw")
	if err := os.WriteFile(path, []byte(strings.Repeat("x", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	spec.OnDuplicate = DuplicateReuse
	other, err := client.Publish(t.Context(), spec, open(t, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, client, other.ID)
	if other.Reused {
		t.Error("an image of other data was taken for the same")
	}
}

func TestSignedDataAreRead(t *testing.T) {
	f := newFake(t, nil)
	client := f.signIn(Access{})
	spec := Spec{Name: "signed", DiskFormat: "raw", Properties: map[string]string{"os_distro": "debian"}}
	path := sparse(t, 3<<20)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%x", sha256.Sum256(content))
	spec.Sign = func(sums Sums) (map[string]string, error) {
		return map[string]string{"img_signature": "of " + sums["sha256"]}, nil
	}
	image, err := client.Publish(t.Context(), spec, open(t, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := image.Properties["img_signature"]; got != "of "+want {
		t.Errorf("got the signature %q, want one of %s", got, want)
	}
	spec.Sign = func(Sums) (map[string]string, error) { return nil, errors.New("no key") }
	_, err = client.Publish(t.Context(), spec, open(t, path), nil)
	checkError(t, err, []string{"signed", "no key"})
}
