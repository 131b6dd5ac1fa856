package glance

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Method is a way to give Glance the data.
type Method string

const (
	// MethodAuto chooses by what is asked for and what the cloud offers.
	MethodAuto Method = "auto"
	// MethodPut sends the data in one request, straight to one store.
	MethodPut Method = "put"
	// MethodImport sends the data to Glance's staging area, from where Glance
	// itself brings them to the stores (its method glance-direct).
	MethodImport Method = "import"
	// MethodWebDownload lets Glance fetch the data from a URL.
	MethodWebDownload Method = "web-download"
)

// Sending says how the data get to Glance and where they are kept. The zero
// value sends them to the cloud's default store.
type Sending struct {
	// Method is how they get there; empty means MethodAuto.
	Method Method
	// URL is where Glance finds the same bytes as the source gives, http or
	// https. What Glance has fetched is compared with the source. Only
	// MethodWebDownload and MethodAuto take it.
	URL string
	// Stores are the stores that keep the data; none means the default store.
	Stores []string
	// AllStores has every store of the cloud keep them, in the place of Stores.
	AllStores bool
	// SomeStoresSuffice takes an image for whole when at least one of the
	// stores has it. Without it all of them must.
	SomeStoresSuffice bool
	// CopyTo are further stores, to which Glance copies the image once it is
	// confirmed, and before it gets its name.
	CopyTo []string
}

// Validate returns every mistake at once, in terms of the template's options.
func (s Sending) Validate() error {
	mistakes := []error{
		checkOneOf("upload_method", string(s.method()), []string{string(MethodAuto), string(MethodPut), string(MethodImport), string(MethodWebDownload)}),
		checkStores("stores", s.Stores),
		checkStores("copy_to_stores", s.CopyTo),
		s.checkURL(),
	}
	if s.AllStores && len(s.Stores)+len(s.CopyTo) > 0 {
		mistakes = append(mistakes, errors.New("all_stores: leaves nothing to name in stores or copy_to_stores"))
	}
	if s.method() == MethodPut && (s.AllStores || len(s.Stores) > 1) {
		mistakes = append(mistakes, errors.New(`upload_method: "put" reaches one store only: use import, or copy_to_stores for the others`))
	}
	for _, store := range s.CopyTo {
		if slices.Contains(s.Stores, store) {
			mistakes = append(mistakes, fmt.Errorf("copy_to_stores: %q is one of stores already", store))
		}
	}
	return errors.Join(mistakes...)
}

func (s Sending) checkURL() error {
	if s.URL == "" {
		if s.method() == MethodWebDownload {
			return errors.New("web_download_url: needed for upload_method web-download")
		}
		return nil
	}
	if s.method() != MethodWebDownload && s.method() != MethodAuto {
		return fmt.Errorf("web_download_url: not used by upload_method %q", s.Method)
	}
	address, err := url.Parse(s.URL)
	switch {
	case err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Host == "":
		return fmt.Errorf("web_download_url: want an http or https URL")
	case address.User != nil:
		return errors.New("web_download_url: Glance keeps the URL where others can read it: leave user and password out")
	}
	return nil
}

// shownURL is the URL for people: the query of a presigned one is a secret.
func (s Sending) shownURL() string {
	address, _, query := strings.Cut(s.URL, "?")
	if query {
		address += "?…"
	}
	return address
}

func checkStores(option string, stores []string) error {
	for i, store := range stores {
		if store == "" || strings.ContainsAny(store, ", ") {
			return fmt.Errorf("%s: %q is no store's name", option, store)
		}
		if slices.Contains(stores[:i], store) {
			return fmt.Errorf("%s: %q is there twice", option, store)
		}
	}
	return nil
}

func (s Sending) method() Method {
	if s.Method == "" {
		return MethodAuto
	}
	return s.Method
}

// plain tells that nothing is asked of the cloud that not every Glance does.
func (s Sending) plain() bool {
	return (s.method() == MethodAuto || s.method() == MethodPut) && s.URL == "" && len(s.Stores)+len(s.CopyTo) == 0 && !s.AllStores
}

// offer is what a Glance can do beside taking a PUT.
type offer struct {
	// methods are Glance's names of its import methods.
	methods []string
	// stores are the names of its stores, the default one first; none where it
	// has not several.
	stores []string
}

// route is the way that one publication takes.
type route struct {
	method Method
	// why is said to the person.
	why string
	// stores are the stores of the first sending, none for the default one.
	stores []string
	// copies are the stores that come after it.
	copies []string
}

// settle makes a route of what is asked for, or says why there is none.
func (s Sending) settle(cloud offer) (route, error) {
	if err := s.checkOffered(cloud); err != nil {
		return route{}, err
	}
	stores := s.Stores
	if s.AllStores {
		stores = cloud.stores
	}
	several := len(stores) > 1
	switch {
	case s.method() == MethodWebDownload:
		return route{MethodWebDownload, "upload_method says so", stores, s.CopyTo}, nil
	case s.method() == MethodImport:
		return route{MethodImport, "upload_method says so", stores, s.CopyTo}, nil
	case s.method() == MethodPut:
		return route{MethodPut, "upload_method says so", stores, s.CopyTo}, nil
	case s.URL != "" && slices.Contains(cloud.methods, "web-download"):
		return route{MethodWebDownload, "there is a URL, and this Glance offers web-download", stores, s.CopyTo}, nil
	case several && slices.Contains(cloud.methods, "glance-direct"):
		return route{MethodImport, "several stores are asked for, and this Glance offers import", stores, s.CopyTo}, nil
	case several && slices.Contains(cloud.methods, "copy-image"):
		return route{MethodPut, "this Glance offers no import from the staging area but copies between stores", stores[:1], slices.Concat(stores[1:], s.CopyTo)}, nil
	case several:
		return route{}, fmt.Errorf("several stores are asked for, but this Glance offers neither glance-direct nor copy-image, only %s", quoted(cloud.methods))
	case s.URL != "":
		return route{MethodPut, "this Glance offers no web-download, so the file is sent from here", stores, s.CopyTo}, nil
	}
	return route{MethodPut, "one store needs no import, which keeps a second copy in a staging area", stores, s.CopyTo}, nil
}

// checkOffered names what is asked for in so many words and is not there.
func (s Sending) checkOffered(cloud offer) error {
	need := map[Method]string{MethodImport: "glance-direct", MethodWebDownload: "web-download"}
	var mistakes []error
	if method := need[s.method()]; method != "" && !slices.Contains(cloud.methods, method) {
		mistakes = append(mistakes, fmt.Errorf("upload_method %q: this Glance offers no import by %s; it offers %s", s.Method, method, quoted(cloud.methods)))
	}
	if len(s.CopyTo) > 0 && !slices.Contains(cloud.methods, "copy-image") {
		mistakes = append(mistakes, fmt.Errorf("copy_to_stores: this Glance offers no copy-image; it offers %s", quoted(cloud.methods)))
	}
	if s.AllStores && len(cloud.stores) == 0 {
		mistakes = append(mistakes, errors.New("all_stores: this Glance does not have several stores"))
	}
	for _, store := range slices.Concat(s.Stores, s.CopyTo) {
		if !slices.Contains(cloud.stores, store) {
			mistakes = append(mistakes, fmt.Errorf("no store %q: this Glance has %s", store, quoted(cloud.stores)))
		}
	}
	return errors.Join(mistakes...)
}
