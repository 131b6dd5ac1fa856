package glance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

func (f *fake) members(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	image := f.images[strings.Split(r.URL.Path, "/")[3]]
	if r.Method == http.MethodGet {
		var all []any
		for _, member := range image.members {
			all = append(all, map[string]any{"member_id": member, "status": "pending", "created_at": time.Now(), "updated_at": time.Now()})
		}
		f.write(w, map[string]any{"members": all})
		return
	}
	var wanted struct {
		Member string `json:"member"`
	}
	if err := json.NewDecoder(r.Body).Decode(&wanted); err != nil {
		f.t.Error(err)
	}
	if slices.Contains(image.members, wanted.Member) {
		w.WriteHeader(http.StatusConflict)
		return
	}
	image.members = append(image.members, wanted.Member)
	f.write(w, map[string]any{"member_id": wanted.Member, "status": "pending", "created_at": time.Now(), "updated_at": time.Now()})
}

// TestInvitationsThroughFaults uses a fake because the real Glance does not fail
// here but for the 129th member, which takes it a minute.
func TestInvitationsThroughFaults(t *testing.T) {
	before := []string{"POST images", "PUT file", "GET image", "PATCH image"}
	const invite, check = "POST members", "GET members"
	tests := map[string]struct {
		faults    map[string][]fault
		want      []string
		wantError []string
	}{
		"no fault":              {want: []string{invite, invite, check, "GET image"}},
		"Glance away":           {faults: map[string][]fault{invite: {refuse(503, "")}, check: {refuse(502, "")}}, want: []string{invite, invite, invite, check, check, "GET image"}},
		"answer lost":           {faults: map[string][]fault{invite: {loseAnswer}}, want: []string{invite, invite, invite, check, "GET image"}},
		"forbidden":             {faults: map[string][]fault{invite: {refuse(403, "")}}, want: []string{invite, "DELETE image"}, wantError: []string{"invite project one", "does not let this user share"}},
		"too many":              {faults: map[string][]fault{invite: {refuse(200, `{}`), refuse(413, "Image member limit exceeded for image")}}, want: []string{invite, invite, "DELETE image"}, wantError: []string{"invite project two", "limit exceeded", "image_member_quota"}},
		"said, but not invited": {faults: map[string][]fault{invite: {refuse(200, `{}`)}}, want: []string{invite, invite, check, "DELETE image"}, wantError: []string{`has the members "two", but not project one`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, test.faults)
			client := f.signIn(Access{Patience: Patience{Pause: time.Millisecond, Request: 2 * time.Second}})
			spec := Spec{Name: "debian", DiskFormat: "raw", Visibility: "shared", Members: []string{"one", "two"}}
			_, err := client.Publish(t.Context(), spec, open(t, sparse(t, 4096)), nil)
			checkError(t, err, test.wantError)
			if want := append(slices.Clone(before), test.want...); !slices.Equal(f.requests, want) {
				t.Errorf("asked\n %q, want\n %q", f.requests, want)
			}
			if left := len(f.images); (left == 1) != (test.wantError == nil) {
				t.Errorf("%d images are left", left)
			}
		})
	}
}

// guestOf returns another project's sign-in to the real cloud, and its ID.
func guestOf(t *testing.T, access Access) (*Client, string) {
	t.Helper()
	access.Cloud += "-guest"
	guest := signIn(t, access)
	project, err := guest.Project()
	if err != nil {
		t.Fatal(err)
	}
	return guest, project
}

// memberList returns each member's project and status, as the OpenStack client
// shows them.
func memberList(t *testing.T, access Access, id string) string {
	t.Helper()
	run(t, "python3-openstackclient", "openstack", "--version")
	command := exec.CommandContext(t.Context(), "openstack", "--os-cloud", access.Cloud, "image", "member", "list", id, "-f", "value", "-c", "Member ID", "-c", "Status", "--sort-column", "Member ID")
	command.Env = append(command.Environ(), "OS_CLIENT_CONFIG_FILE="+access.CloudsFile)
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v", command, err)
	}
	return strings.TrimSpace(string(out))
}

func TestMembersAreInvitedAndAccept(t *testing.T) {
	access := realCloud(t)
	client := signIn(t, access)
	guest, project := guestOf(t, access)
	const stranger = "00000000000000000000000000000000"
	spec := Spec{Name: unique("members"), DiskFormat: "raw", Visibility: "shared", Members: []string{project}, Protected: true, OnDuplicate: DuplicateReuse}
	source := open(t, sparse(t, 1<<20))
	image, err := client.Publish(t.Context(), spec, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, client, image.ID)
	t.Cleanup(func() { unprotect(t, client, image.ID) })
	if got, want := memberList(t, access, image.ID), project+" pending"; got != want {
		t.Errorf("before it is accepted the members are %q, want %q", got, want)
	}
	if listed := finds(t, guest, spec.Name); listed != 0 {
		t.Errorf("the guest lists %d images that it has not accepted", listed)
	}
	for range 2 {
		if err := guest.Accept(t.Context(), image.ID); err != nil {
			t.Fatal(err)
		}
	}
	if listed := finds(t, guest, spec.Name); listed != 1 {
		t.Errorf("the guest lists %d images, want the one that it has accepted", listed)
	}

	spec.Members = []string{project, stranger}
	again, err := client.Publish(t.Context(), spec, source, nil)
	if err != nil || !again.Reused {
		t.Fatalf("the same image again: %+v, %v", again, err)
	}
	if got, want := memberList(t, access, image.ID), fmt.Sprintf("%s pending\n%s accepted", stranger, project); got != want {
		t.Errorf("of the reused image the members are\n%s, want\n%s", got, want)
	}
}

// finds counts the images of that name in the client's own lists.
func finds(t *testing.T, client *Client, name string) int {
	t.Helper()
	found, err := client.list(t.Context(), images.ListOpts{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func TestOnlyMembersAccept(t *testing.T) {
	access := realCloud(t)
	client := signIn(t, access)
	guest, project := guestOf(t, access)
	image := publishLater(t, client, Spec{Name: unique("members"), Visibility: "shared"}, nil)
	checkError(t, guest.Accept(t.Context(), image.ID), []string{image.ID, project, "no member of the image"})
}

func TestMembersNeedASharedImage(t *testing.T) {
	tests := map[string]struct {
		spec Spec
		want []string
	}{
		"shared":    {Spec{Visibility: "shared", Members: []string{"a", "b"}}, nil},
		"private":   {Spec{Members: []string{"a"}}, []string{`visibility is "private": only a shared image has members`}},
		"public":    {Spec{Visibility: "public", Members: []string{"a"}}, []string{`visibility is "public"`}},
		"no ID":     {Spec{Visibility: "shared", Members: []string{""}}, []string{"member is empty"}},
		"twice":     {Spec{Visibility: "shared", Members: []string{"a", "a"}}, []string{`member "a" is there twice`}},
		"very long": {Spec{Visibility: "shared", Members: []string{strings.Repeat("a", 256)}}, []string{"256 characters"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.spec.Name, test.spec.DiskFormat = "debian", "raw"
			checkError(t, test.spec.Validate(), test.want)
		})
	}
}
