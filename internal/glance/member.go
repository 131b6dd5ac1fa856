package glance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/members"
)

// checkMembers refuses what Glance would refuse only once the data are there.
func (s Spec) checkMembers() error {
	if len(s.Members) == 0 {
		return nil
	}
	var mistakes []error
	if s.visibility() != string(images.ImageVisibilityShared) {
		mistakes = append(mistakes, fmt.Errorf("members are there, but visibility is %q: only a shared image has members", s.visibility()))
	}
	for n, member := range s.Members {
		mistakes = append(mistakes, checkText("member", member))
		if slices.Contains(s.Members[:n], member) {
			mistakes = append(mistakes, fmt.Errorf("member %q is there twice", member))
		}
	}
	return errors.Join(mistakes...)
}

// invite makes the spec's projects members of the image and reads back that
// they are. Projects that somebody else has invited stay.
func (p *publication) invite(ctx context.Context, id string) error {
	if len(p.spec.Members) == 0 {
		return nil
	}
	for _, project := range p.spec.Members {
		p.progress.Step(fmt.Sprintf("inviting project %s to image %s", project, id))
		err := p.persist(ctx, func() error { return p.addMember(ctx, id, project) })
		if err != nil {
			return fmt.Errorf("invite project %s to image %s: %w%s", project, id, err, adviceOnMembers(err))
		}
	}
	var invited []string
	err := p.persist(ctx, func() (err error) {
		invited, err = p.members(ctx, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("read back the members of image %s: %w", id, err)
	}
	for _, project := range p.spec.Members {
		if !slices.Contains(invited, project) {
			return fmt.Errorf("image %s has the members %s, but not project %s, which was invited", id, quoted(invited), project)
		}
	}
	return nil
}

// addMember takes a project for invited that is a member already.
func (c *Client) addMember(ctx context.Context, id, project string) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	_, err := members.Create(ctx, c.service, id, project).Extract()
	if err = translated("Glance", err); codeOf(err) == http.StatusConflict {
		return nil
	}
	return err
}

// members returns the projects that the image is shared with.
func (c *Client) members(ctx context.Context, id string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	pages, err := members.List(c.service, id).AllPages(ctx)
	if err != nil {
		return nil, translated("Glance", err)
	}
	got, err := members.ExtractMembers(pages)
	if err != nil {
		return nil, fmt.Errorf("read Glance's list of members: %w", err)
	}
	var projects []string
	for _, member := range got {
		projects = append(projects, member.MemberID)
	}
	return projects, nil
}

// Accept takes an image that is shared with the client's project into that
// project's lists. One that was accepted before is no error.
func (c *Client) Accept(ctx context.Context, imageID string) error {
	project, err := c.Project()
	if err == nil {
		err = c.persist(ctx, func() error { return c.accept(ctx, imageID, project) })
	}
	if err != nil {
		return fmt.Errorf("accept image %s for project %s in Glance at %s: %w%s", imageID, project, c.Endpoint(), err, adviceOnAcceptance(err))
	}
	return nil
}

func (c *Client) accept(ctx context.Context, imageID, project string) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.Request)
	defer cancel()
	_, err := members.Update(ctx, c.service, imageID, project, members.UpdateOpts{Status: "accepted"}).Extract()
	return translated("Glance", err)
}

func adviceOnMembers(err error) string {
	switch codeOf(err) {
	case http.StatusForbidden:
		return "; the cloud's policy does not let this user share images"
	case http.StatusRequestEntityTooLarge:
		return "; the image has as many members as the cloud allows (image_member_quota): remove some"
	}
	return ""
}

func adviceOnAcceptance(err error) string {
	switch {
	case codeOf(err) == http.StatusForbidden:
		return "; an image's owner does not accept it, nor does somebody whom the cloud's policy does not let"
	case gone(err):
		return "; the project is no member of the image, or this is another cloud's Glance"
	}
	return ""
}
