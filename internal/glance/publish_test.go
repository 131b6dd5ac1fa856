package glance

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

func ext4(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.raw")
	run(t, "e2fsprogs", "mke2fs", "-q", "-F", "-t", "ext4", path, "24M")
	return path
}

func qcow2(t *testing.T) string {
	t.Helper()
	raw := ext4(t)
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	run(t, "qemu-utils", "qemu-img", "convert", "-O", "qcow2", raw, path)
	return path
}

func open(t *testing.T, path string) *File {
	t.Helper()
	file, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func removeLater(t *testing.T, client *Client, id string) {
	t.Cleanup(func() {
		if err := client.Delete(context.Background(), id); err != nil {
			t.Error(err)
		}
	})
}

func TestPublishLandsTheFileAsItIs(t *testing.T) {
	client := signIn(t, realCloud(t))
	tests := map[string]struct {
		make func(*testing.T) string
		spec Spec
	}{
		"qcow2": {qcow2, Spec{DiskFormat: "qcow2", Visibility: "shared", MinDisk: 1, VirtualSize: 24 << 20}},
		"raw":   {ext4, Spec{DiskFormat: "raw", Visibility: "public", MinRAM: 64, VirtualSize: 24 << 20, Tags: []string{"os:debian"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := test.make(t)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			spec := test.spec
			spec.Name = "test " + name
			spec.Properties = map[string]string{"os_distro": "debian", "auto_disk_config": "True"}
			progress := &recorder{}
			image, err := client.Publish(t.Context(), spec, open(t, path), progress)
			if err != nil {
				t.Fatal(err)
			}
			removeLater(t, client, image.ID)
			got, err := client.Get(t.Context(), image.ID)
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("%x", sha512.Sum512(content)); got.HashAlgo != "sha512" || got.HashValue != want {
				t.Errorf("got %s %s, want sha512 %s", got.HashAlgo, got.HashValue, want)
			}
			if want := fmt.Sprintf("%x", md5.Sum(content)); got.Checksum != want {
				t.Errorf("got checksum %s, want %s", got.Checksum, want)
			}
			if got.Status != "active" || got.Size != int64(len(content)) {
				t.Errorf("got status %s and %d bytes, want active and %d", got.Status, got.Size, len(content))
			}
			if err := spec.differences(got); err != nil {
				t.Error(err)
			}
			if want := []string{"size", "virtual_size", "sha512"}; !slices.Equal(image.Confirmed, want) {
				t.Errorf("confirmed %v, want %v", image.Confirmed, want)
			}
			if want := spec.withOwnerSpecified(Sums{"md5": got.Checksum, "sha256": fmt.Sprintf("%x", sha256.Sum256(content))}); !maps.Equal(got.Properties, want) {
				t.Errorf("got properties %v, want %v", got.Properties, want)
			}
			progress.check(t, int64(len(content)))
		})
	}
}

// left returns what the signed-in project has of images named so, under
// whatever temporary name.
func left(t *testing.T, client *Client, name string) []string {
	t.Helper()
	pages, err := images.List(client.service, images.ListOpts{Tags: []string{ManagedTag}}).AllPages(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	all, err := images.ExtractImages(pages)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, image := range all {
		if strings.HasPrefix(image.Name, name) {
			names = append(names, image.Name)
		}
	}
	return names
}

// unique keeps what a broken run left out of the sight of the next one.
func unique(name string) string {
	return name + " " + newID()
}

// sparse makes a file of zeros, with a first sector of its own.
func sparse(t *testing.T, size int64) string {
	t.Helper()
	path := write(t, "disk.raw", "not empty")
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLeftFindsWhatIsLeft(t *testing.T) {
	client := signIn(t, realCloud(t))
	p := &publication{Client: client, spec: Spec{Name: unique("leftover"), DiskFormat: "raw"}, progress: quiet{}}
	if err := p.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := left(t, client, p.spec.Name); len(got) != 1 {
		t.Errorf("got %q, want one image", got)
	}
	if err := p.clean(t.Context()); err != nil {
		t.Error(err)
	}
	if got := left(t, client, p.spec.Name); len(got) != 0 {
		t.Errorf("got %q after the removal, want none", got)
	}
}

func TestPublishLeavesNothingWhereItIsRefused(t *testing.T) {
	tests := map[string]struct {
		cloud, region string
		visibility    string
		want          []string
		wantSent      bool
	}{
		"quota full": {
			cloud: "demo-member", region: "SmallQuota",
			want: []string{"413", "quota", "delete images, ask for more quota"},
		},
		"public by a member": {
			cloud: "demo-member", visibility: "public",
			want: []string{"403", "only administrators", "private or shared"},
		},
	}
	path := sparse(t, 24<<20)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			access := realCloud(t)
			access.Cloud, access.Region = test.cloud, test.region
			client := signIn(t, access)
			progress, called := &recorder{}, unique("refused")
			image, err := client.Publish(t.Context(), Spec{Name: called, DiskFormat: "raw", Visibility: test.visibility}, open(t, path), progress)
			if image != nil {
				t.Errorf("got image %v, want none", image)
			}
			checkError(t, err, test.want)
			if got := left(t, client, called); len(got) != 0 {
				t.Errorf("%q are left, want none", got)
			}
			if sent := slices.Max(append(progress.sent, 0)); sent != 0 {
				t.Errorf("%d bytes were sent before the refusal, want none", sent)
			}
		})
	}
}

func TestPublishByAMember(t *testing.T) {
	access := realCloud(t)
	access.Cloud = "demo-member"
	client := signIn(t, access)
	image, err := client.Publish(t.Context(), Spec{Name: "of a member", DiskFormat: "raw"}, open(t, sparse(t, 1<<20)), nil)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, client, image.ID)
	if image.Visibility != "private" || image.Status != "active" {
		t.Errorf("got an image that is %s and %s, want private and active", image.Visibility, image.Status)
	}
}

// trigger is a Progress that acts once, when a step or a count is reached.
type trigger struct {
	recorder
	step string
	sent int64
	act  func()
	once sync.Once
}

func (g *trigger) Step(sentence string) {
	g.recorder.Step(sentence)
	if g.step != "" && strings.HasPrefix(sentence, g.step) {
		g.once.Do(g.act)
	}
}

func (g *trigger) Sent(sent, total int64) {
	g.recorder.Sent(sent, total)
	if g.sent > 0 && sent >= g.sent {
		g.once.Do(g.act)
	}
}

func TestCancelLeavesNothing(t *testing.T) {
	client := signIn(t, realCloud(t))
	path := sparse(t, 24<<20)
	tests := map[string]*trigger{
		"before the creation":      {step: "creating"},
		"before the data":          {step: "sending"},
		"at the first MiB":         {sent: 1 << 20},
		"in the middle":            {sent: 12 << 20},
		"at the last byte":         {sent: 24 << 20},
		"before the confirmation":  {step: "comparing"},
		"before it gets its name":  {step: "naming"},
		"shortly after the naming": {step: "naming"},
	}
	for name, progress := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			asked := errors.New("the person pressed Ctrl-C")
			progress.act = func() { cancel(asked) }
			if strings.HasPrefix(name, "shortly") {
				progress.act = func() { time.AfterFunc(20*time.Millisecond, func() { cancel(asked) }) }
			}
			begin := time.Now()
			called := unique("cancelled")
			image, err := client.Publish(ctx, Spec{Name: called, DiskFormat: "raw"}, open(t, path), progress)
			if image != nil || !errors.Is(err, asked) {
				t.Errorf("got %v and error %v, want no image and the reason of the cancel", image, err)
			}
			t.Logf("%v, %v after the start", err, time.Since(begin))
			if got := left(t, client, called); len(got) != 0 {
				t.Errorf("%q are left, want none", got)
			}
		})
	}
}

func TestPublishSurvivesARevokedToken(t *testing.T) {
	access := realCloud(t)
	client := signIn(t, access)
	admin := keystone(t, readAuth(t, access))
	for _, step := range []string{"creating", "sending", "comparing", "naming"} {
		t.Run(step, func(t *testing.T) {
			progress := &trigger{step: step}
			progress.act = func() {
				if err := tokens.Revoke(t.Context(), admin, client.token()).Err; err != nil {
					t.Error(err)
				}
			}
			before := client.token()
			image, err := client.Publish(t.Context(), Spec{Name: "revoked", DiskFormat: "raw"}, open(t, sparse(t, 4<<20)), progress)
			if err != nil {
				t.Fatal(err)
			}
			removeLater(t, client, image.ID)
			if client.token() == before {
				t.Error("the token was not renewed: it was not revoked")
			}
			if want := []string{"size", "sha512"}; !slices.Equal(image.Confirmed, want) || image.Size != 4<<20 {
				t.Errorf("confirmed %v of %d bytes, want %v of %d", image.Confirmed, image.Size, want, 4<<20)
			}
			progress.check(t, 4<<20)
		})
	}
}

func TestPublishRefusesASourceThatChanges(t *testing.T) {
	client := signIn(t, realCloud(t))
	tests := map[string]struct {
		change func(path string) error
		want   string
	}{
		"grows":         {func(path string) error { return os.Truncate(path, 30<<20) }, "changed while it was being sent"},
		"shrinks":       {func(path string) error { return os.Truncate(path, 3<<20) }, "changed while it was being sent"},
		"is written to": {func(path string) error { return os.WriteFile(path, make([]byte, 24<<20), 0o600) }, "changed while it was being sent"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := sparse(t, 24<<20)
			progress := &trigger{sent: 2 << 20, act: func() {
				if err := test.change(path); err != nil {
					t.Error(err)
				}
			}}
			called := unique("unsteady")
			_, err := client.Publish(t.Context(), Spec{Name: called, DiskFormat: "raw"}, open(t, path), progress)
			checkError(t, err, []string{test.want, path})
			if got := left(t, client, called); len(got) != 0 {
				t.Errorf("%q are left, want none", got)
			}
		})
	}
}

func TestPublishProtectsAndNames(t *testing.T) {
	client := signIn(t, realCloud(t))
	tests := map[string]Spec{
		"protected":        {Name: "protected", Protected: true},
		"longest name":     {Name: strings.Repeat("é", 255)},
		"odd name":         {Name: "a/b~c \"d\" <e> ✓"},
		"longest property": {Name: "property", Properties: map[string]string{strings.Repeat("k", 255): "v", "empty": "", "long": strings.Repeat("v", 60000)}},
		"longest tag":      {Name: "tags", Tags: []string{strings.Repeat("t", 255), "a", "a", ManagedTag}},
	}
	for name, spec := range tests {
		t.Run(name, func(t *testing.T) {
			spec.DiskFormat = "raw"
			image, err := client.Publish(t.Context(), spec, open(t, sparse(t, 4096)), nil)
			if err != nil {
				t.Fatal(err)
			}
			removeLater(t, client, image.ID)
			if image.Name != spec.Name || image.Protected != spec.Protected {
				t.Errorf("got %q protected %v, want %q protected %v", image.Name, image.Protected, spec.Name, spec.Protected)
			}
			if !spec.Protected {
				return
			}
			checkError(t, client.Delete(t.Context(), image.ID), []string{"403", image.ID})
			if err := client.update(t.Context(), image.ID, images.ReplaceImageProtected{NewProtected: false}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPublishRefusesBadInputBeforeAnyRequest(t *testing.T) {
	f := newFake(t, nil)
	client := f.signIn(Access{})
	tests := map[string]struct {
		spec Spec
		path string
		want []string
	}{
		"a mistake":    {Spec{Name: "", DiskFormat: "raw"}, sparse(t, 4096), []string{"image name is empty"}},
		"all mistakes": {Spec{Name: strings.Repeat("n", 256), DiskFormat: "zip", Visibility: "secret", MinDisk: -1}, sparse(t, 4096), []string{"256 characters", `"zip"`, `"secret"`, "min_disk is -1"}},
		"empty file":   {Spec{Name: "n", DiskFormat: "raw"}, sparse(t, 0), []string{"nothing to send"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := client.Publish(t.Context(), test.spec, open(t, test.path), nil)
			checkError(t, err, test.want)
			if len(f.requests) > 0 {
				t.Errorf("asked %q, want nothing", f.requests)
			}
		})
	}
}

func TestOpenFileTakesRegularFilesOnly(t *testing.T) {
	folder := t.TempDir()
	for _, path := range []string{folder, filepath.Join(folder, "missing"), "/dev/null"} {
		if _, err := OpenFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("OpenFile(%q) gives error %v, want one that names it", path, err)
		}
	}
}

// TestGlanceRefusesWhatValidateRefuses keeps the lists of spec.go true.
func TestGlanceRefusesWhatValidateRefuses(t *testing.T) {
	access := realCloud(t)
	access.Cloud = "demo-member"
	client := signIn(t, access)
	tests := map[string]Spec{
		"long name":     {Name: strings.Repeat("n", 256)},
		"disk format":   {DiskFormat: "zip"},
		"container":     {ContainerFormat: "box"},
		"visibility":    {Visibility: "secret"},
		"long tag":      {Tags: []string{strings.Repeat("t", 256)}},
		"long property": {Properties: map[string]string{strings.Repeat("k", 256): "v"}},
	}
	// Glance 25 takes these four at the creation: an ID is ours to choose, stores
	// is nobody's yet, and a hash is overwritten once there are data.
	taken := []string{"id", "stores", "os_hash_algo", "os_hash_value"}
	for _, name := range append(ownedByGlance(), "os_glance_stage_host") {
		if !slices.Contains(taken, name) {
			tests["property "+name] = Spec{Properties: map[string]string{name: "1"}}
		}
	}
	for name, spec := range tests {
		t.Run(name, func(t *testing.T) {
			for field, value := range map[*string]string{&spec.Name: "refused", &spec.DiskFormat: "raw"} {
				if *field == "" {
					*field = value
				}
			}
			if spec.Validate() == nil {
				t.Error("Validate lets it pass")
			}
			visibility := images.ImageVisibility(spec.visibility())
			options := images.CreateOpts{
				Name: spec.Name, DiskFormat: spec.DiskFormat, ContainerFormat: spec.containerFormat(),
				Visibility: &visibility, Tags: spec.Tags, Properties: spec.Properties,
			}
			made, err := images.Create(t.Context(), client.service, options).Extract()
			if err == nil {
				removeLater(t, client, made.ID)
				t.Error("Glance lets it pass")
			}
			var answer gophercloud.ErrUnexpectedResponseCode
			if !errors.As(err, &answer) {
				t.Errorf("got %v, want a refusal", err)
			}
		})
	}
}
