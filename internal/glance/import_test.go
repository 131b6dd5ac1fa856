package glance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// served serves a file, so that Glance can download it, and returns its URL.
func served(t *testing.T, path string) string {
	t.Helper()
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(path))))
	t.Cleanup(server.Close)
	return server.URL + "/" + filepath.Base(path)
}

func TestPublishIntoTheStoresThatAreAskedFor(t *testing.T) {
	client := signIn(t, realCloud(t))
	path := sparse(t, 3<<20)
	url := served(t, path)
	tests := map[string]struct {
		sending  Sending
		want     []string
		wantStep string
	}{
		"nothing asked":        {want: []string{"fast"}},
		"put into another":     {sending: Sending{Stores: []string{"cold"}}, want: []string{"cold"}, wantStep: "sending by put: one store needs no import"},
		"import":               {sending: Sending{Method: MethodImport}, want: []string{"fast"}, wantStep: "importing the staged data into the default store"},
		"several by import":    {sending: Sending{Stores: []string{"cold", "fast"}}, want: []string{"cold", "fast"}, wantStep: "sending by import: several stores are asked for"},
		"all":                  {sending: Sending{AllStores: true}, want: []string{"cold", "fast"}, wantStep: "sending by import"},
		"put and copy":         {sending: Sending{CopyTo: []string{"cold"}}, want: []string{"cold", "fast"}, wantStep: `copying the image into "cold"`},
		"download":             {sending: Sending{URL: url}, want: []string{"fast"}, wantStep: "letting Glance download " + url},
		"download for all":     {sending: Sending{Method: MethodWebDownload, URL: url, AllStores: true}, want: []string{"cold", "fast"}, wantStep: "sending by web-download"},
		"import and then copy": {sending: Sending{Method: MethodImport, Stores: []string{"cold"}, CopyTo: []string{"fast"}, SomeStoresSuffice: true}, want: []string{"cold", "fast"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			progress := &recorder{}
			image, err := client.Publish(t.Context(), Spec{Name: "stores", DiskFormat: "raw", Sending: test.sending}, open(t, path), progress)
			if err != nil {
				t.Fatal(err)
			}
			removeLater(t, client, image.ID)
			slices.Sort(image.Stores)
			if !slices.Equal(image.Stores, test.want) {
				t.Errorf("the image is in %q, want %q", image.Stores, test.want)
			}
			if want := []string{"size", "sha512"}; !slices.Equal(image.Confirmed[:2], want) {
				t.Errorf("confirmed %v, want %v first", image.Confirmed, want)
			}
			if !strings.Contains(progress.all(), test.wantStep) {
				t.Errorf("said %q, want %q in it", progress.all(), test.wantStep)
			}
			progress.check(t, 3<<20)
		})
	}
}

func TestPublishLeavesNothingOfAFailedImport(t *testing.T) {
	client := signIn(t, realCloud(t))
	path, other := sparse(t, 3<<20), sparse(t, 2<<20)
	url := served(t, other)
	tests := map[string]struct {
		sending Sending
		want    []string
	}{
		"unknown store":           {Sending{Stores: []string{"nowhere"}}, []string{`no store "nowhere"`, `"fast", "cold"`}},
		"unknown store to copy":   {Sending{CopyTo: []string{"nowhere"}}, []string{`no store "nowhere"`}},
		"download of other bytes": {Sending{URL: url + "?signature=hunter2"}, []string{"3145728 bytes were sent, 2097152 are stored", "what Glance downloaded is not the file", url}},
		"download not there":      {Sending{URL: url + "x?signature=hunter2"}, []string{"did not succeed", `into "fast"`, "in its words", "task "}},
		"download not allowed":    {Sending{URL: strings.Replace(url, "127.0.0.1", "192.0.2.1", 1) + "?signature=hunter2" + strings.Repeat("&more=x", 99)}, []string{"does not pass filtering", "ports 80 and 443"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			called, progress := unique("failed import"), &recorder{}
			_, err := client.Publish(t.Context(), Spec{Name: called, DiskFormat: "raw", Sending: test.sending}, open(t, path), progress)
			checkError(t, err, test.want)
			checkNoSecret(t, fmt.Sprint(err)+progress.all())
			if got := left(t, client, called); len(got) != 0 {
				t.Errorf("%q are left, want none", got)
			}
		})
	}
}

// TestPublishWhereAStoreIsBroken uses the Glance of the region SmallQuota, whose
// store cold nobody else uses.
func TestPublishWhereAStoreIsBroken(t *testing.T) {
	access := realCloud(t)
	access.Region = "SmallQuota"
	client := signIn(t, access)
	store := filepath.Join(filepath.Dir(access.CloudsFile), "small", "cold")
	if err := os.Rename(store, store+".away"); err != nil {
		t.Skipf("needs the folder of the store, which only the cloud of hack/cloud.sh has beside its clouds.yaml: %v", err)
	}
	t.Cleanup(func() {
		if err := os.Rename(store+".away", store); err != nil {
			t.Error(err)
		}
	})
	tests := map[string]struct {
		sending Sending
		want    []string
	}{
		"import must reach both": {Sending{Stores: []string{"fast", "cold"}}, []string{`import into "cold" did not succeed`, "in its words"}},
		"copy must reach it":     {Sending{CopyTo: []string{"cold"}}, []string{`copy the image into "cold"`, "did not succeed"}},
		"one of two suffices":    {Sending{Stores: []string{"fast", "cold"}, SomeStoresSuffice: true}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			called, progress := unique("broken store"), &recorder{}
			image, err := client.Publish(t.Context(), Spec{Name: called, DiskFormat: "raw", Sending: test.sending}, open(t, sparse(t, 1<<20)), progress)
			checkError(t, err, test.want)
			want := 0
			if image != nil {
				removeLater(t, client, image.ID)
				want = 1
				if !strings.Contains(progress.all(), `the image is in "fast" only, not in "cold"`) {
					t.Errorf("said %q, want the store that is missing", progress.all())
				}
			}
			if got := left(t, client, called); len(got) != want {
				t.Errorf("%q are left, want %d", got, want)
			}
		})
	}
}

func TestCancelledImportLeavesNothing(t *testing.T) {
	client := signIn(t, realCloud(t))
	path := sparse(t, 24<<20)
	url := served(t, path)
	tests := map[string]struct {
		sending  Sending
		progress *trigger
	}{
		"in the staging":      {Sending{Method: MethodImport}, &trigger{sent: 12 << 20}},
		"before the import":   {Sending{Method: MethodImport}, &trigger{step: "importing"}},
		"before the download": {Sending{URL: url}, &trigger{step: "letting"}},
		"before the copy":     {Sending{CopyTo: []string{"cold"}}, &trigger{step: "copying"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			asked := errors.New("the person pressed Ctrl-C")
			test.progress.act = func() { cancel(asked) }
			called := unique("cancelled import")
			image, err := client.Publish(ctx, Spec{Name: called, DiskFormat: "raw", Sending: test.sending}, open(t, path), test.progress)
			if image != nil || !errors.Is(err, asked) {
				t.Errorf("got %v and error %v, want no image and the reason of the cancel", image, err)
			}
			if got := left(t, client, called); len(got) != 0 {
				t.Errorf("%q are left, want none", got)
			}
		})
	}
}

// TestCancelWhileGlanceImports cancels once Glance has taken the request.
func TestCancelWhileGlanceImports(t *testing.T) {
	access := realCloud(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	access.Log = func(line string) {
		t.Log(line)
		if strings.HasPrefix(line, "POST") && strings.Contains(line, "/import: 202") {
			cancel()
		}
	}
	client := signIn(t, access)
	path := sparse(t, 24<<20)
	for name, sending := range map[string]Sending{"staged": {AllStores: true}, "download": {URL: served(t, path), AllStores: true}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel = context.WithCancel(t.Context())
			called := unique("cancelled import")
			_, err := client.Publish(ctx, Spec{Name: called, DiskFormat: "raw", Sending: sending}, open(t, path), nil)
			checkError(t, err, []string{"context canceled"})
			if got := left(t, client, called); len(got) != 0 {
				t.Errorf("%q are left, want none", got)
			}
		})
	}
}

func TestSendingNamesEveryMistake(t *testing.T) {
	tests := map[string]struct {
		sending Sending
		want    []string
	}{
		"nothing":              {},
		"all at once":          {Sending{Method: "post", Stores: []string{"a", "a"}, CopyTo: []string{""}, URL: "ftp://x"}, []string{"upload_method", `stores: "a" is there twice`, `copy_to_stores: ""`, "web_download_url"}},
		"put into several":     {Sending{Method: MethodPut, Stores: []string{"a", "b"}}, []string{"one store only"}},
		"put into all":         {Sending{Method: MethodPut, AllStores: true}, []string{"one store only"}},
		"all and some":         {Sending{AllStores: true, CopyTo: []string{"a"}}, []string{"all_stores: "}},
		"copy to where it is":  {Sending{Stores: []string{"a"}, CopyTo: []string{"a"}}, []string{"copy_to_stores", "already"}},
		"download of nothing":  {Sending{Method: MethodWebDownload}, []string{"web_download_url: needed"}},
		"a URL that is unused": {Sending{Method: MethodPut, URL: "http://x/y"}, []string{"not used by upload_method"}},
		"a URL with a secret":  {Sending{URL: "https://me:hunter2@x/y"}, []string{"leave user and password out"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.sending.Validate()
			checkError(t, err, test.want)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v shows the secret", err)
			}
		})
	}
}

func TestAutoChoosesByWhatTheCloudOffers(t *testing.T) {
	both := []string{"fast", "cold"}
	tests := map[string]struct {
		sending Sending
		methods []string
		want    route
		wantErr string
	}{
		"one store":             {sending: Sending{Stores: []string{"cold"}}, methods: []string{"glance-direct"}, want: route{method: MethodPut, stores: []string{"cold"}}},
		"two, with import":      {sending: Sending{Stores: both}, methods: []string{"copy-image", "glance-direct"}, want: route{method: MethodImport, stores: both}},
		"two, with copy only":   {sending: Sending{Stores: both}, methods: []string{"copy-image"}, want: route{method: MethodPut, stores: both[:1], copies: both[1:]}},
		"two, with neither":     {sending: Sending{Stores: both}, methods: []string{"web-download"}, wantErr: `only "web-download"`},
		"all, with copy only":   {sending: Sending{AllStores: true}, methods: []string{"copy-image"}, want: route{method: MethodPut, stores: both[:1], copies: both[1:]}},
		"URL, with download":    {sending: Sending{URL: "http://x/y"}, methods: []string{"web-download"}, want: route{method: MethodWebDownload}},
		"URL, without download": {sending: Sending{URL: "http://x/y"}, want: route{method: MethodPut}},
		"copy, not offered":     {sending: Sending{CopyTo: both[1:]}, wantErr: "copy_to_stores: this Glance offers no copy-image"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.sending.settle(offer{methods: test.methods, stores: both})
			if test.wantErr != "" {
				checkError(t, err, []string{test.wantErr})
				return
			}
			if err != nil || got.method != test.want.method || !slices.Equal(got.stores, test.want.stores) || !slices.Equal(got.copies, test.want.copies) {
				t.Errorf("got %+v (%v), want %+v", got, err, test.want)
			}
			if got.why == "" {
				t.Error("no reason is given")
			}
		})
	}
}

func TestAPolicyThatForbidsToSendIsGoneAround(t *testing.T) {
	access := realCloud(t)
	access.Cloud += "-importer"
	client := signIn(t, access)
	spec := Spec{Name: unique("policy"), DiskFormat: "raw"}
	said := &recorder{}
	image, err := client.Publish(t.Context(), spec, open(t, sparse(t, 1<<20)), said)
	if err != nil {
		t.Fatal(err)
	}
	removeLater(t, client, image.ID)
	if image.Status != "active" || !strings.Contains(said.all(), "sending by import: this Glance offers it, and forbids a PUT") {
		t.Errorf("the image is %+v, and it was said:\n%s", image, said.all())
	}

	spec.Sending.Method = MethodPut
	_, err = client.Publish(t.Context(), spec, open(t, sparse(t, 1<<20)), nil)
	checkError(t, err, []string{"send the data", "403", "policy"})
	if got := left(t, client, spec.Name); !slices.Equal(got, []string{spec.Name}) {
		t.Errorf("%q are left, want the first alone", got)
	}
}
