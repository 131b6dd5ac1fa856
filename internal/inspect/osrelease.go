package inspect

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// osReleaseFiles are the places of os-release, the strongest first
// (os-release(5)).
var osReleaseFiles = []string{"/etc/os-release", "/usr/lib/os-release"}

// olderReleases are what EL 6, and what was made of it, have in its place.
var olderReleases = []string{"/etc/oracle-release", "/etc/redhat-release"}

// readOS returns what os-release says, and an error where the guest is no
// Linux or says nothing.
func readOS(t *tree) (OS, error) {
	for _, file := range osReleaseFiles {
		b, err := t.read(file, maxText)
		if absent(err) {
			continue
		}
		if err != nil {
			return OS{}, fmt.Errorf("reading the guest's %s: %w", file, err)
		}
		os := parseOSRelease(string(b))
		return os, notLinux(os)
	}
	for _, file := range olderReleases {
		if b, err := t.read(file, maxText); err == nil {
			return parseOlderRelease(string(b)), nil
		}
	}
	return OS{}, fmt.Errorf("the root file system has no readable %s; "+
		"if /usr is on a partition of its own, that one can not be read yet", strings.Join(osReleaseFiles, " or "))
}

// parseOSRelease reads the assignments of os-release(5).
func parseOSRelease(text string) OS {
	var os OS
	for _, setting := range settings(text) {
		key, val, _ := strings.Cut(setting, "=")
		val = unquoteShell(val)
		switch key {
		case "ID":
			os.ID = val
		case "ID_LIKE":
			os.IDLike = val
		case "VERSION_ID":
			os.VersionID = val
		case "PRETTY_NAME":
			os.PrettyName = val
		}
	}
	return os
}

// parseOlderRelease reads "CentOS release 6.10 (Final)".
func parseOlderRelease(text string) OS {
	line, _, _ := strings.Cut(text, "\n")
	os := OS{ID: "rhel", IDLike: "fedora", PrettyName: strings.TrimSpace(line)}
	name, rest, _ := strings.Cut(os.PrettyName, " release ")
	switch {
	case strings.HasPrefix(name, "CentOS"):
		os.ID, os.IDLike = "centos", "rhel fedora"
	case strings.HasPrefix(name, "Oracle"):
		os.ID, os.IDLike = "ol", "rhel fedora"
	}
	if words := strings.Fields(rest); len(words) > 0 {
		os.VersionID = words[0]
	}
	return os
}

// unquoteShell takes the quotes off one shell word.
func unquoteShell(s string) string {
	s = strings.TrimSpace(s)
	if len(s) < 2 || s[0] != s[len(s)-1] || (s[0] != '"' && s[0] != '\'') {
		return s
	}
	inner := s[1 : len(s)-1]
	if s[0] == '\'' {
		return inner
	}
	return strings.NewReplacer(`\"`, `"`, `\$`, `$`, `\\`, `\`, "\\`", "`").Replace(inner)
}

// notLinux refuses the systems that have an os-release but no Linux kernel.
func notLinux(os OS) error {
	foreign := slices.Contains([]string{"freebsd", "netbsd", "openbsd", "dragonfly"}, os.ID) ||
		strings.Contains(os.PrettyName, "GNU/Hurd") || strings.Contains(os.PrettyName, "kFreeBSD")
	if !foreign {
		return nil
	}
	return fmt.Errorf("the guest is %s (ID %q), and only Linux guests can be inspected", quote(os.PrettyName), os.ID)
}

// initPrograms are where Linux looks for its first program (kernel,
// init/main.c), and a shell for trees without one.
var initPrograms = []string{"/sbin/init", "/etc/init", "/bin/init", "/bin/sh"}

// initProgram names what the kernel starts first, by the program behind a
// link.
func initProgram(t *tree, name string) string {
	target, err := t.real(name)
	if err != nil {
		return ""
	}
	return path.Base(target)
}

// machines names ELF machines as Nova does (nova/objects/fields.py,
// Architecture).
var machines = map[elf.Machine]string{
	elf.EM_X86_64: "x86_64", elf.EM_386: "i686", elf.EM_AARCH64: "aarch64", elf.EM_ARM: "armv7l",
	elf.EM_PPC: "ppc", elf.EM_PPC64: "ppc64", elf.EM_S390: "s390x", elf.EM_RISCV: "riscv64",
	elf.EM_MIPS: "mips", elf.EM_SPARCV9: "sparc64",
}

// architecture returns the machine that the guest's first program is built
// for, and the program that was looked at.
func architecture(t *tree) (arch, program string) {
	for _, name := range initPrograms {
		if arch := elfMachine(t, name); arch != "" {
			return arch, name
		}
	}
	return "", ""
}

func elfMachine(t *tree, name string) string {
	f, err := t.open(name)
	if err != nil {
		return ""
	}
	header, err := elfHeader(f)
	if errors.Join(err, f.Close()) != nil {
		return ""
	}
	if header.Machine == elf.EM_PPC64 && header.ByteOrder.String() == "LittleEndian" {
		return "ppc64le"
	}
	return machines[header.Machine]
}

// elfHeader reads the ELF header alone. debug/elf.NewFile would also read the
// section table, which a hostile file can make large; 64 bytes are enough for
// what is asked here, and NewFile accepts them when there are no sections.
func elfHeader(f fs.File) (*elf.FileHeader, error) {
	b := make([]byte, 64)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, err
	}
	file, err := elf.NewFile(&headerOnly{header: withoutTables(b)})
	if err != nil {
		return nil, err
	}
	return &file.FileHeader, nil
}

// withoutTables zeroes the offsets and counts of the program and section
// tables in an ELF header (elf(5)).
func withoutTables(b []byte) []byte {
	offsets, counts := 28, 44
	if b[elf.EI_CLASS] == byte(elf.ELFCLASS64) {
		offsets, counts = 32, 56
		clear(b[offsets : offsets+16])
	} else {
		clear(b[offsets : offsets+8])
	}
	clear(b[counts : counts+2])   // e_phnum
	clear(b[counts+4 : counts+8]) // e_shnum, e_shstrndx
	return b
}

// headerOnly is a file that ends after its ELF header.
type headerOnly struct{ header []byte }

func (h *headerOnly) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(h.header)) {
		return 0, io.EOF
	}
	n := copy(p, h.header[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
