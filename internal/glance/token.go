package glance

import (
	"context"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

const (
	// slowRate is the slowest transfer, in bytes a second, that a token must
	// outlast to be used: 32 Mbit/s, an ordinary line to a public cloud.
	slowRate = 4 << 20
	// tokenReserve is what a token must have left beside the transfer, for the
	// requests after it and for clocks that differ.
	tokenReserve = 5 * time.Minute
)

// freshToken returns a token that outlasts a transfer of so many bytes where
// Keystone gives one: Glance deletes an image whose token has expired by the
// time its last byte came.
func (p *publication) freshToken(ctx context.Context, bytes int64) string {
	token := p.token()
	left, known := p.tokenLeft()
	if !known || left > tokenReserve+time.Duration(bytes/slowRate)*time.Second || p.service.ReauthFunc == nil {
		return token
	}
	p.progress.Step("signing in again, since the token would end in " + left.Round(time.Second).String())
	if err := p.renew(ctx, token); err != nil {
		p.progress.Step("going on with the old token: " + err.Error())
	}
	return p.token()
}

// tokenLeft returns how long the token is still good for, if Keystone said so.
func (c *Client) tokenLeft() (time.Duration, bool) {
	result, ok := c.service.GetAuthResult().(interface {
		ExtractToken() (*tokens.Token, error)
	})
	if !ok {
		return 0, false
	}
	token, err := result.ExtractToken()
	if err != nil || token.ExpiresAt.IsZero() {
		return 0, false
	}
	return time.Until(token.ExpiresAt), true
}
