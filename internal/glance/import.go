package glance

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

// importRequest is the body of POST /v2/images/{id}/import.
type importRequest struct {
	Method struct {
		Name string `json:"name"`
		URI  string `json:"uri,omitempty"`
	} `json:"method"`
	Stores []string `json:"stores,omitempty"`
	// AllMustSucceed is always said: its default is not the same everywhere.
	AllMustSucceed *bool `json:"all_stores_must_succeed,omitempty"`
}

// task is Glance's record of one import (API 2.12 and later), the only place
// where it tells in words why one failed.
type task struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Message string `json:"message"`
	Updated string `json:"updated_at"`
	Created string `json:"created_at"`
}

// fetch lets Glance download the data, and reads the source in the meantime to
// know what they must be.
func (p *publication) fetch(ctx context.Context) (Sums, error) {
	shown := p.spec.Sending.shownURL()
	p.progress.Step("letting Glance download " + shown)
	if err := p.begin(ctx, "web-download", p.route.stores); err != nil {
		return nil, fmt.Errorf("have it downloaded from %s: %w; most clouds take URLs of public servers on ports 80 and 443 only", shown, p.withoutQuery(err))
	}
	reading, err := openPass(p.source, transferred(), func(int64) {}, func(int64) {})
	if err != nil {
		return nil, err
	}
	defer reading.end()
	if err := reading.skim(ctx); err != nil {
		return nil, err
	}
	sums, err := reading.whole()
	if err != nil {
		return nil, err
	}
	if err := p.await(ctx); err != nil {
		return nil, fmt.Errorf("have it downloaded from %s: %w", shown, p.withoutQuery(err))
	}
	return sums, nil
}

// withoutQuery takes the URL's query out of what Glance quotes of it.
func (p *publication) withoutQuery(err error) error {
	address, _, _ := strings.Cut(p.spec.Sending.URL, "?")
	// Glance's words may be cut in the middle of it.
	return &scrubbedError{err: err, secret: regexp.MustCompile(regexp.QuoteMeta(address) + `\?[^\s"]*`), shown: p.spec.Sending.shownURL()}
}

// scrubbedError is an error in whose words a secret is replaced.
type scrubbedError struct {
	err    error
	secret *regexp.Regexp
	shown  string
}

// Error implements error.
func (e *scrubbedError) Error() string {
	return e.secret.ReplaceAllLiteralString(e.err.Error(), e.shown)
}

// Unwrap makes the cause known to errors.Is.
func (e *scrubbedError) Unwrap() error {
	return e.err
}

// importStaged has Glance bring the staged data to their stores.
func (p *publication) importStaged(ctx context.Context) error {
	p.progress.Step("importing the staged data " + into(p.route.stores))
	if err := p.begin(ctx, "glance-direct", p.route.stores); err != nil {
		return fmt.Errorf("import the staged data: %w", err)
	}
	if err := p.await(ctx); err != nil {
		return fmt.Errorf("import the staged data: %w", err)
	}
	return nil
}

// copies has Glance copy the confirmed image to the further stores, and sees
// that all that were asked for have it.
func (p *publication) copies(ctx context.Context, confirmed []string) ([]string, error) {
	if len(p.route.copies) > 0 {
		p.progress.Step("copying the image " + into(p.route.copies))
		if err := p.begin(ctx, "copy-image", p.route.copies); err != nil {
			return nil, fmt.Errorf("copy the image %s: %w%s", into(p.route.copies), err, advice(err))
		}
		if err := p.await(ctx); err != nil {
			return nil, fmt.Errorf("copy the image %s: %w", into(p.route.copies), err)
		}
	}
	wanted := slices.Concat(p.route.stores, p.route.copies)
	if len(wanted) == 0 {
		return confirmed, nil
	}
	image, err := p.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("see which stores have the image: %w", err)
	}
	missing := slices.DeleteFunc(wanted, func(store string) bool { return slices.Contains(image.Stores, store) })
	if len(missing) == 0 {
		return append(confirmed, "stores"), nil
	}
	if !p.spec.Sending.SomeStoresSuffice {
		return nil, fmt.Errorf("the image is in %s, but not in %s", quoted(image.Stores), quoted(missing))
	}
	p.progress.Step(fmt.Sprintf("the image is in %s only, not in %s, which all_stores_must_succeed = false lets pass", quoted(image.Stores), quoted(missing)))
	return confirmed, nil
}

func into(stores []string) string {
	if len(stores) == 0 {
		return "into the default store"
	}
	return "into " + quoted(stores)
}

// begin starts an import. A second start that meets the first one, whose answer
// was lost, is no fault.
func (p *publication) begin(ctx context.Context, method string, stores []string) error {
	request := importRequest{Stores: stores}
	request.Method.Name = method
	if method == "web-download" {
		request.Method.URI = p.spec.Sending.URL
	}
	if len(stores) > 0 {
		all := !p.spec.Sending.SomeStoresSuffice
		request.AllMustSucceed = &all
	}
	earlier, err := p.tasks(ctx)
	if err != nil {
		return err
	}
	return p.persist(ctx, func() error {
		err := p.postImport(ctx, p.id, request)
		if err == nil || (refused(err) && codeOf(err) != http.StatusConflict) {
			return err
		}
		if now, taskErr := p.tasks(ctx); taskErr == nil && len(now) > len(earlier) {
			return nil
		}
		return err
	})
}

func (c *Client) postImport(ctx context.Context, id string, body importRequest) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	_, err := c.service.Post(ctx, c.service.ServiceURL("images", id, "import"), body, nil, &gophercloud.RequestOpts{OkCodes: []int{http.StatusAccepted}}) //nolint:bodyclose // Post closes it unless asked to keep it
	return translated("Glance", err)
}

// tasks returns the imports of the image, the latest last; none where this
// Glance keeps no record that its users may read.
func (p *publication) tasks(ctx context.Context) ([]task, error) {
	var answer struct {
		Tasks []task `json:"tasks"`
	}
	err := p.persist(ctx, func() error { return p.ask(ctx, &answer, "images", p.id, "tasks") })
	if gone(err) || codeOf(err) == http.StatusForbidden {
		return nil, nil
	}
	slices.SortStableFunc(answer.Tasks, func(a, b task) int { return strings.Compare(a.Created, b.Created) })
	return answer.Tasks, err
}

// await waits for the end of an import as long as it shows signs of life.
func (p *publication) await(ctx context.Context) error {
	news, since, told := "", time.Now(), time.Now()
	for tries := 0; ; tries++ {
		// The task first: once it is over, the image shows what came of it.
		latest, err := p.latestTask(ctx)
		if err != nil {
			return fmt.Errorf("see how the import goes: %w", err)
		}
		image, err := p.look(ctx)
		if err != nil {
			return fmt.Errorf("see how the import goes: %w", err)
		}
		over, err := judge(image, latest)
		if over || err != nil {
			return err
		}
		if now := fmt.Sprint(image.Status, image.Stores, image.importing, image.failed, latest); now != news {
			news, since = now, time.Now()
		}
		if time.Since(told) >= tellInterval {
			told = time.Now()
			p.progress.Step(whereabouts(image, latest))
		}
		if time.Since(since) > p.patience.Import {
			return fmt.Errorf("the image is %s, and nothing has changed for %v (%s)", image.Status, p.patience.Import, latest.words())
		}
		if err := sleep(ctx, p.pause(min(tries, 3), nil)); err != nil {
			return err
		}
	}
}

// tellInterval is how often an import says that it lives: as often as a
// transfer does.
const tellInterval = 10 * time.Second

// whereabouts says how far an import is. Glance tells the bytes only while it
// brings them to a store, and of a download nothing before its end.
func whereabouts(image *Image, latest *task) string {
	sentence := "Glance is still at it, the image is " + image.Status
	if len(image.importing) > 0 {
		sentence += ", " + quoted(image.importing) + " to go"
	}
	if latest != nil && latest.Message != "" {
		sentence += fmt.Sprintf(" (%s)", words([]byte(latest.Message), 0))
	}
	return sentence
}

// latestTask returns the last import of the image, nil where none is known.
func (p *publication) latestTask(ctx context.Context) (*task, error) {
	all, err := p.tasks(ctx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[len(all)-1], nil
}

// judge tells whether an import is over. An image whose import has failed may
// be queued again, or stay importing for ever (Glance 25, when one store of
// several refused), or be active without the store that was to be added.
func judge(image *Image, latest *task) (over bool, err error) {
	idle := len(image.importing) == 0
	switch {
	case latest != nil && latest.Status == "failure",
		image.Status == "queued" && len(image.failed) > 0,
		image.Status == "importing" && idle && len(image.failed) > 0 && latest == nil:
		return true, failure(image, latest)
	case image.Status == "active":
		return idle && (latest == nil || latest.Status == "success"), nil
	}
	return false, nil
}

func failure(image *Image, latest *task) error {
	where := ""
	if len(image.failed) > 0 {
		where = " into " + quoted(image.failed)
	}
	return fmt.Errorf("the import%s did not succeed (%s), and left the image %s", where, latest.words(), image.Status)
}

// words quotes what Glance says of the import.
func (t *task) words() string {
	if t == nil {
		return "this Glance keeps no record of why"
	}
	return fmt.Sprintf("in its words %q, task %s", words([]byte(t.Message), 0), t.ID)
}
