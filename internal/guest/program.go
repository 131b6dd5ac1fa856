package guest

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

//go:embed scripts
var scripts embed.FS

// kinds are what guests differ by. Each script of a folder knows one of its
// kind, and the prefix of its functions is its name.
var kinds = []struct{ dir, variable string }{
	{"families", "FAMILIES"},
	{"inits", "INITS"},
	{"initramfs", "INITRAMFS_MAKERS"},
	{"loaders", "LOADERS"},
	{"networks", "NETWORKS"},
}

// program is the one shell program that runs in the guest: every script, the
// requirements in catalogue order, and a last line that starts it, so that a
// program cut short does nothing.
func program(settings Settings) ([]byte, error) {
	var b strings.Builder
	b.WriteString("#!/bin/sh\nset -eu\n")
	ready, cleanup, err := requirementOrder()
	if err != nil {
		return nil, err
	}
	assignments, err := settings.script()
	if err != nil {
		return nil, err
	}
	b.WriteString(assignments)
	fmt.Fprintf(&b, "READY='%s'\nCLEANUP='%s'\n", strings.Join(ready, " "), strings.Join(cleanup, " "))
	for _, k := range kinds {
		list, err := names("scripts/" + k.dir)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s='%s'\n", k.variable, strings.Join(list, " "))
	}
	if err := appendBootFiles(&b); err != nil {
		return nil, err
	}
	for _, dir := range []string{"lib", "families", "inits", "initramfs", "loaders", "networks", "requirements", "cleanup"} {
		if err := appendScripts(&b, "scripts/"+dir); err != nil {
			return nil, err
		}
	}
	if err := appendScript(&b, "scripts/main.sh"); err != nil {
		return nil, err
	}
	b.WriteString("main \"$@\"\n")
	return []byte(b.String()), nil
}

// requirementOrder returns the IDs of the catalogue's guest side in its order,
// those that are mended first and those of the clean-up.
func requirementOrder() (ready, cleanup []string, err error) {
	readyFiles, err := names("scripts/requirements")
	if err != nil {
		return nil, nil, err
	}
	cleanupFiles, err := names("scripts/cleanup")
	if err != nil {
		return nil, nil, err
	}
	for _, r := range requirement.SeenFrom(requirement.Guest) {
		switch id := string(r.ID); {
		case slices.Contains(readyFiles, id):
			ready = append(ready, id)
		case slices.Contains(cleanupFiles, id):
			cleanup = append(cleanup, id)
		default:
			return nil, nil, fmt.Errorf("requirement %s has no guest script", id)
		}
	}
	return ready, cleanup, nil
}

// names returns the names of the scripts in dir, without their suffix.
func names(dir string) ([]string, error) {
	entries, err := fs.ReadDir(scripts, dir)
	if err != nil {
		return nil, fmt.Errorf("list guest scripts: %w", err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, strings.TrimSuffix(e.Name(), ".sh"))
	}
	return list, nil
}

func appendScripts(b *strings.Builder, dir string) error {
	list, err := names(dir)
	if err != nil {
		return err
	}
	for _, name := range list {
		if err := appendScript(b, dir+"/"+name+".sh"); err != nil {
			return err
		}
	}
	return nil
}

func appendScript(b *strings.Builder, name string) error {
	text, err := fs.ReadFile(scripts, name)
	if err != nil {
		return fmt.Errorf("read guest script: %w", err)
	}
	b.WriteByte('\n')
	b.Write(text)
	return nil
}

// bootFileEnd ends a file of the boot program in the guest's program.
const bootFileEnd = "OPENSTACK_READY_BOOT_FILE"

// appendBootFiles adds a function that prints a file of scripts/boot by its
// name there.
func appendBootFiles(b *strings.Builder) error {
	b.WriteString("\nboot_file() {\n  case $1 in\n")
	err := fs.WalkDir(scripts, "scripts/boot", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(scripts, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "  %s)\n    cat <<'%s'\n%s%[2]s\n    ;;\n", strings.TrimPrefix(path, "scripts/boot/"), bootFileEnd, text)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the boot program: %w", err)
	}
	b.WriteString("  esac\n}\n")
	return nil
}
