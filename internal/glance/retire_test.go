package glance

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

// publishLater publishes an image in a later second than the one before, since
// Glance counts in seconds.
func publishLater(t *testing.T, client *Client, spec Spec, before *Image) *Image {
	t.Helper()
	if before != nil {
		time.Sleep(time.Until(before.CreatedAt.Add(time.Second)))
	}
	spec.DiskFormat = "raw"
	image, err := client.Publish(t.Context(), spec, open(t, sparse(t, 4096)), nil)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, client, image.ID)
	return image
}

// now returns the images as Glance has them: name, hidden and status; "gone"
// for one that is no longer there.
func now(t *testing.T, client *Client, generations []*Image) []string {
	t.Helper()
	var all []string
	for _, was := range generations {
		image, err := client.Get(t.Context(), was.ID)
		switch {
		case gone(err):
			all = append(all, "gone")
		case err != nil:
			t.Fatal(err)
		default:
			dated := strings.ReplaceAll(image.Name, was.CreatedAt.UTC().Format("2006-01-02T150405Z"), "DATE")
			all = append(all, fmt.Sprintf("%s hidden=%v %s", strings.TrimPrefix(dated, was.Name), image.Hidden, image.Status))
		}
	}
	return all
}

func TestRetireLeavesTheNewestAndDoesAsAsked(t *testing.T) {
	client := signIn(t, realCloud(t))
	const as, retired = " hidden=false active", " (DATE) hidden=true active"
	tests := map[string]struct {
		how  Retirement
		want []string
	}{
		"rename and hide": {Retirement{Keep: 2, Rename: true, Hide: true}, []string{retired, as, as}},
		"keep one":        {Retirement{Keep: 1, Hide: true}, []string{" hidden=true active", " hidden=true active", as}},
		"keep more":       {Retirement{Keep: 9, Delete: true}, []string{as, as, as}},
		"deactivate":      {Retirement{Keep: 2, Deactivate: true}, []string{" hidden=false deactivated", as, as}},
		"delete":          {Retirement{Keep: 2, Delete: true}, []string{"gone", as, as}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			spec := Spec{Name: unique("retire")}
			var generations []*Image
			var last *Image
			for range 3 {
				last = publishLater(t, client, spec, last)
				generations = append(generations, last)
			}
			done, err := client.Retire(t.Context(), test.how, last)
			if err != nil {
				t.Fatal(err)
			}
			if got := now(t, client, generations); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			again, err := client.Retire(t.Context(), test.how, last)
			if err != nil || len(again) != 0 {
				t.Errorf("the second time: %v, %v, want nothing to do", again, err)
			}
			if changed := slices.ContainsFunc(test.want, func(s string) bool { return s != as }); changed != (len(done) > 0) {
				t.Errorf("told %v", done)
			}
		})
	}
}

func TestRetireTouchesNothingButPredecessors(t *testing.T) {
	client := signIn(t, realCloud(t))
	name := unique("retire")
	others := []*Image{
		publishLater(t, client, Spec{Name: name + " of another kind"}, nil),
		publishLater(t, client, Spec{Name: name}, nil),
		publishLater(t, client, Spec{Name: name, Protected: true}, nil),
	}
	untagged, guarded := others[1], others[2]
	if err := client.update(t.Context(), untagged.ID, images.ReplaceImageTags{NewTags: []string{"mine"}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unprotect(t, client, guarded.ID) })
	published := publishLater(t, client, Spec{Name: name}, guarded)
	newer := publishLater(t, client, Spec{Name: name}, published)
	before := now(t, client, append(others, published, newer))
	done, err := client.Retire(t.Context(), Retirement{Keep: 1, Delete: true}, published)
	if err != nil {
		t.Fatal(err)
	}
	if got := now(t, client, append(others, published, newer)); !slices.Equal(got, before) {
		t.Errorf("got %q, want %q", got, before)
	}
	if len(done) != 1 || done[0].ID != guarded.ID || !strings.Contains(done[0].String(), "it is protected") {
		t.Errorf("told %v, want the protected image %s named", done, guarded.ID)
	}
}

// unprotect runs before the removal, for cleanups run last to first, and after
// the test's own context.
func unprotect(t *testing.T, client *Client, id string) {
	t.Helper()
	if err := client.update(context.Background(), id, images.ReplaceImageProtected{NewProtected: false}); err != nil {
		t.Error(err)
	}
}

func TestTheOpenStackClientSeesWhatIsRetired(t *testing.T) {
	access := realCloud(t)
	client := signIn(t, access)
	name := unique("retire")
	first := publishLater(t, client, Spec{Name: name}, nil)
	second := publishLater(t, client, Spec{Name: name}, first)
	if _, err := client.Retire(t.Context(), Retirement{Keep: 1, Rename: true, Hide: true}, second); err != nil {
		t.Fatal(err)
	}
	for option, want := range map[string]string{"--hidden": first.ID, "--private": second.ID} {
		if got := openstackList(t, access, option, name); got != want {
			t.Errorf("openstack image list %s shows %q, want %s", option, got, want)
		}
	}
}

// openstackList returns the IDs of the images whose names begin so.
func openstackList(t *testing.T, access Access, option, name string) string {
	t.Helper()
	run(t, "python3-openstackclient", "openstack", "--version")
	command := exec.CommandContext(t.Context(), "openstack", "--os-cloud", access.Cloud, "image", "list", option, "-f", "value", "-c", "ID", "-c", "Name")
	command.Env = append(command.Environ(), "OS_CLIENT_CONFIG_FILE="+access.CloudsFile)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v", command, err)
	}
	var ids []string
	for line := range strings.Lines(string(out)) {
		if id, called, _ := strings.Cut(line, " "); strings.HasPrefix(called, name) {
			ids = append(ids, id)
		}
	}
	return strings.Join(ids, " ")
}

func TestRetirementNamesEveryMistake(t *testing.T) {
	tests := map[string]struct {
		how  Retirement
		want []string
	}{
		"nothing": {Retirement{}, []string{"keep is 0", "nothing is asked for"}},
		"both":    {Retirement{Keep: 1, Hide: true, Delete: true}, []string{"set delete alone"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			checkError(t, test.how.Validate(), test.want)
		})
	}
}
