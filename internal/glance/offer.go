package glance

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/gophercloud/gophercloud/v2"
)

// choose settles how the data will be sent, before there is an image. A
// publication that asks for nothing special asks the cloud for nothing either.
func (p *publication) choose(ctx context.Context) error {
	sending := p.spec.Sending
	if sending.plain() {
		p.route = route{method: MethodPut}
		return nil
	}
	var cloud offer
	err := p.persist(ctx, func() (err error) {
		cloud, err = p.offer(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask Glance for its import methods and stores: %w", err)
	}
	if p.route, err = sending.settle(cloud); err != nil {
		return err
	}
	p.progress.Step(fmt.Sprintf("sending by %s: %s", p.route.method, p.route.why))
	return nil
}

// offer asks Glance what it can do. Old ones, and those with a single store, do
// not know the questions, which is an answer too.
func (c *Client) offer(ctx context.Context) (offer, error) {
	var imports struct {
		Methods struct {
			Value []string `json:"value"`
		} `json:"import-methods"`
	}
	var known struct {
		Stores []struct {
			ID      string `json:"id"`
			Default any    `json:"default"`
			// ReadOnly is of stores such as http, which keep nothing.
			ReadOnly any `json:"read-only"`
		} `json:"stores"`
	}
	if err := c.ask(ctx, &imports, "info", "import"); err != nil && !gone(err) {
		return offer{}, err
	}
	if err := c.ask(ctx, &known, "info", "stores"); err != nil && !gone(err) {
		return offer{}, err
	}
	cloud := offer{methods: imports.Methods.Value}
	for _, store := range known.Stores {
		switch {
		case says(store.ReadOnly):
		case says(store.Default):
			cloud.stores = slices.Insert(cloud.stores, 0, store.ID)
		default:
			cloud.stores = append(cloud.stores, store.ID)
		}
	}
	return cloud, nil
}

// says reads what is the text "true" in some releases, and true in others.
func says(value any) bool {
	return value == true || value == "true"
}

// ask gets what Glance says below /v2/, decoded into answer.
func (c *Client) ask(ctx context.Context, answer any, path ...string) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	_, err := c.service.Get(ctx, c.service.ServiceURL(path...), answer, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}}) //nolint:bodyclose // Get closes what it decodes
	return translated("Glance", err)
}
