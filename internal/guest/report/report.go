// Package report is what a run in the guest found and changed, as plain data
// that can be stored and read again without Packer.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/document"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// Schema names the form of a stored report; a change that old readers would
// misread gets a new number.
const Schema = "openstack-ready/guest-report/v1"

// maxBytes bounds what Read takes in; a full report is some 50 KiB.
const maxBytes = 8 << 20

// Mode says what a run may do in the guest.
type Mode string

// The modes.
const (
	// Mend looks, mends what is unmet, and looks again.
	Mend Mode = "mend"
	// Check looks and changes nothing.
	Check Mode = "check"
)

// Report is the outcome of one run in the guest.
type Report struct {
	Schema string `json:"schema"`
	Origin Origin `json:"origin"`
	Mode   Mode   `json:"mode"`
	System System `json:"system"`
	// Skipped lists the requirements that the template told to leave alone.
	Skipped []requirement.ID `json:"skipped,omitempty"`
	// Before holds what the first look found, in catalogue order.
	Before []requirement.Finding `json:"before"`
	// Findings holds what the last look found, in catalogue order; in mode
	// Check that is the first one.
	Findings []requirement.Finding `json:"findings"`
	// Changes lists what was changed in the guest, in the order it happened.
	Changes []Change `json:"changes"`
}

// Origin is the build that a report tells of; empty outside Packer.
type Origin struct {
	// Run is the UUID of one packer command, from Packer's PACKER_RUN_UUID.
	Run string `json:"run"`
	// Build is the builder's type and name, as "qemu.debian".
	Build string `json:"build"`
}

// NewOrigin is that of a build of the running packer command.
func NewOrigin(builderType, buildName string) Origin {
	return Origin{Run: os.Getenv("PACKER_RUN_UUID"), Build: strings.Trim(builderType+"."+buildName, ".")}
}

// ErrOtherBuild is in the error of CheckOrigin.
var ErrOtherBuild = errors.New("it may tell of another disk")

// System is what the guest said it is; empty where it did not say.
type System struct {
	// Kernel is the release of the running kernel, as uname -r prints it.
	Kernel string `json:"kernel"`
	// Uname is the name of the running kernel, as uname -s prints it.
	Uname string `json:"uname"`
	// Arch is the machine type, as uname -m prints it.
	Arch string `json:"arch"`
	// Family is the scripts' name of a group of distributions, as "debian".
	Family string `json:"family"`
	// ID, VersionID and Name are ID, VERSION_ID and PRETTY_NAME of os-release(5).
	ID        string `json:"id"`
	VersionID string `json:"version_id"`
	Name      string `json:"name"`
	// Init is the init system, as "systemd".
	Init string `json:"init"`
	// Initramfs is what makes the initramfs, as "dracut"; empty for nothing known.
	Initramfs string `json:"initramfs"`
	// Loaders are the boot loaders with a configuration, as "grub bls"; empty
	// for none known.
	Loaders string `json:"loaders"`
	// Login is the account that the build logged in with.
	Login string `json:"login"`
}

// Template is in place of a requirement where the template asked for a change.
const Template requirement.ID = "template"

// Change is one thing that was changed in the guest.
type Change struct {
	// ID is the requirement that asked for it, or Template.
	ID   requirement.ID `json:"id"`
	Text string         `json:"text"`
}

// Read decodes a report and refuses one of another schema.
func Read(r io.Reader) (*Report, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read guest report: %w", err)
	}
	if len(b) > maxBytes {
		return nil, fmt.Errorf("guest report is larger than %d bytes", maxBytes)
	}
	var rep Report
	if err := json.Unmarshal(b, &rep); err != nil {
		return nil, fmt.Errorf("decode guest report: %w", err)
	}
	if rep.Schema != Schema {
		return nil, fmt.Errorf("guest report has schema %q; this version reads %q", rep.Schema, Schema)
	}
	return &rep, nil
}

// ReadFile reads the report stored in the file named name.
func ReadFile(name string) (*Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open guest report: %w", err)
	}
	defer func() { _ = f.Close() }()
	rep, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rep, nil
}

// CheckOrigin returns an error when the report is of another build than want,
// whose empty fields accept any.
func (r *Report) CheckOrigin(want Origin) error {
	if want.Run != "" && r.Origin.Run != want.Run {
		return fmt.Errorf("the guest report is of Packer's run %q, this one is %q: %w", r.Origin.Run, want.Run, ErrOtherBuild)
	}
	if want.Build != "" && r.Origin.Build != want.Build {
		return fmt.Errorf("the guest report is of the source %q, this one is %q: %w", r.Origin.Build, want.Build, ErrOtherBuild)
	}
	return nil
}

// WriteFile stores the report in the file named name, whole or not at all.
func (r *Report) WriteFile(name string) error { return document.Save(name, r) }
