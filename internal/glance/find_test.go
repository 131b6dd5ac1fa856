package glance

import (
	"strings"
	"sync"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
)

func TestFindTakesTheOneThatIsMeant(t *testing.T) {
	client := signIn(t, realCloud(t))
	name := unique("find")
	first := publishLater(t, client, Spec{Name: name, Tags: []string{name}, Properties: map[string]string{"generation": "1"}}, nil)
	second := publishLater(t, client, Spec{Name: name, Tags: []string{name}, Properties: map[string]string{"generation": "2"}}, first)
	tests := map[string]struct {
		query Query
		want  *Image
		wrong []string
	}{
		"ID":               {Query{ID: first.ID}, first, nil},
		"newest of a name": {Query{Name: name, Newest: true}, second, nil},
		"name pattern":     {Query{NamePattern: "^" + name + "$", Newest: true}, second, nil},
		"tag and property": {Query{Tags: []string{name}, Properties: map[string]string{"generation": "1"}}, first, nil},
		"owner and hash":   {Query{Owner: first.Owner, Hash: first.HashValue, Name: name, Newest: true}, second, nil},
		"several":          {Query{Name: name}, nil, []string{"2 match", first.ID, second.ID, "newest = true"}},
		"another property": {Query{Name: name, Properties: map[string]string{"generation": "3"}}, nil, []string{"none matches", first.ID, second.ID, ", differs in property generation"}},
		"hidden":           {Query{Name: name, Hidden: true}, nil, []string{"closest", first.ID, ", differs in hidden"}},
		"mistyped name":    {Query{Name: strings.ToUpper(name)}, nil, []string{"closest", first.ID, second.ID, ", differs in name"}},
		"odd name":         {Query{Name: "in:" + name}, nil, []string{"closest", first.ID, ", differs in name"}},
		"nothing":          {Query{Status: "active"}, nil, []string{"nothing says which image"}},
		"bad pattern":      {Query{NamePattern: "("}, nil, []string{"name_pattern"}},
	}
	for called, test := range tests {
		t.Run(called, func(t *testing.T) {
			got, err := client.Find(t.Context(), test.query)
			if test.want == nil {
				checkError(t, err, test.wrong)
				return
			}
			if err != nil || got.ID != test.want.ID {
				t.Errorf("got %+v, %v, want %s", got, err, test.want.ID)
			}
		})
	}
}

func TestFindTakesACommunityImageThatIsAskedFor(t *testing.T) {
	access := realCloud(t)
	name := unique("community")
	image := publishLater(t, signIn(t, access), Spec{Name: name, Visibility: "community"}, nil)
	guest, _ := guestOf(t, access)
	for _, query := range []Query{{ID: image.ID}, {Name: name, Visibility: "community"}} {
		if found, err := guest.Find(t.Context(), query); err != nil || found.ID != image.ID {
			t.Errorf("%+v: got %+v, %v, want %s", query, found, err, image.ID)
		}
	}
	_, err := guest.Find(t.Context(), Query{Name: name})
	checkError(t, err, []string{"none matches", image.ID, "community", "differs in visibility"})
}

// TestEveryPageIsRead lists one image more than a page has.
func TestEveryPageIsRead(t *testing.T) {
	client := signIn(t, realCloud(t))
	name := unique("page")
	made := make(chan string, pageImages+1)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for id := range made {
				if err := client.create(t.Context(), images.CreateOpts{ID: id, Name: name, DiskFormat: "raw", ContainerFormat: "bare"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range pageImages + 1 {
		id := newID()
		removeLater(t, client, id)
		made <- id
	}
	close(made)
	all.Wait()
	listed, err := client.list(t.Context(), images.ListOpts{Name: name})
	if err != nil || len(listed) != pageImages+1 {
		t.Errorf("got %d images, %v, want %d", len(listed), err, pageImages+1)
	}
}
