package inspect

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// entry is what a test expects of a boot entry.
type entry struct{ where, title, args, kind string }

// entriesOf reads the boot entries of a tree for comparison.
func entriesOf(t *testing.T, f files) (got []entry, loaders []string) {
	t.Helper()
	n := &notes{}
	entries, loaders := bootEntries(newTree(f.fs()), n, bootFolders)
	if err := n.err(); err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		kind := ""
		if e.Default {
			kind = "default"
		}
		if e.Recovery {
			kind += "recovery"
		}
		got = append(got, entry{at(e.File, e.Line, e.Kernel), e.Title, e.CommandLine, kind})
	}
	return got, loaders
}

const grubEnvironment = "# GRUB Environment Block\n"

// The head that grub-mkconfig of EL and Debian writes, as far as it decides
// anything.
const grubHead = `if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
`

func TestBootEntriesOfEveryLoader(t *testing.T) {
	tests := []struct {
		name    string
		files   files
		loaders string
		want    []entry
	}{
		{"EL 7", files{
			"boot/grub2/grubenv": grubEnvironment + "saved_entry=CentOS Linux (3.10.0-2.x86_64) 7 (Core)\n####",
			"boot/grub2/grub.cfg": grubHead + "menuentry 'CentOS Linux (3.10.0-9.x86_64) 7 (Core)' --class gnu $menuentry_id_option 'a-9' {\n" +
				"\tlinux16 /vmlinuz-3.10.0-9.x86_64 root=UUID=1 ro rhgb quiet LANG=C\n}\n" +
				"menuentry 'CentOS Linux (3.10.0-2.x86_64) 7 (Core)' {\n\tlinuxefi /vmlinuz-3.10.0-2.x86_64 root=UUID=1 ro\n}\n" +
				"menuentry 'CentOS Linux (0-rescue-0123) 7 (Core)' {\n\tlinux16 /vmlinuz-0-rescue-0123 root=UUID=1\n}\n",
		}, "grub", []entry{
			{"/boot/grub2/grub.cfg:20: /vmlinuz-3.10.0-9.x86_64", "CentOS Linux (3.10.0-9.x86_64) 7 (Core)", "root=UUID=1 ro rhgb quiet LANG=C", ""},
			{"/boot/grub2/grub.cfg:23: /vmlinuz-3.10.0-2.x86_64", "CentOS Linux (3.10.0-2.x86_64) 7 (Core)", "root=UUID=1 ro", "default"},
			{"/boot/grub2/grub.cfg:26: /vmlinuz-0-rescue-0123", "CentOS Linux (0-rescue-0123) 7 (Core)", "root=UUID=1", "recovery"},
		}},
		{"EL 8, arguments in the environment", files{
			"boot/grub2/grubenv": grubEnvironment + "saved_entry=m-4.18.0-2.el8.x86_64\nkernelopts=root=UUID=1 ro console=ttyS0\ntuned_params=skew_tick=1\n####",
			"boot/grub2/grub.cfg": grubHead + "if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=UUID=1 ro quiet \"\nfi\n" +
				"set tuned_params=\"\"\nif [ -s $prefix/grubenv ]; then load_env; fi\ninsmod blscfg;blscfg\n",
			"boot/loader/entries/m-4.18.0-10.el8.x86_64.conf": "title Rocky 8 (10)\nversion 4.18.0-10\nlinux /vmlinuz-4.18.0-10\ninitrd /i $tuned_initrd\noptions $kernelopts $tuned_params\nid x\n",
			"boot/loader/entries/m-4.18.0-2.el8.x86_64.conf":  "title Rocky 8 (2)\nlinux /vmlinuz-4.18.0-2\noptions ${kernelopts} x=$more\n",
			"boot/loader/entries/m-0-rescue.conf":             "title Rocky 8 (0-rescue-m)\nlinux /vmlinuz-0-rescue-m\noptions $kernelopts\n",
		}, "grub", []entry{
			{"/boot/loader/entries/m-4.18.0-10.el8.x86_64.conf:5: /vmlinuz-4.18.0-10", "Rocky 8 (10)", "root=UUID=1 ro console=ttyS0 skew_tick=1", ""},
			{"/boot/loader/entries/m-4.18.0-2.el8.x86_64.conf:3: /vmlinuz-4.18.0-2", "Rocky 8 (2)", "root=UUID=1 ro console=ttyS0 x=", "default"},
			{"/boot/loader/entries/m-0-rescue.conf:3: /vmlinuz-0-rescue-m", "Rocky 8 (0-rescue-m)", "root=UUID=1 ro console=ttyS0", "recovery"},
		}},
		{"EL 8 without an environment", files{
			"boot/grub2/grub.cfg":          grubHead + "if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=UUID=1 ro quiet \"\nfi\nblscfg\n",
			"boot/loader/entries/m-4.conf": "linux /vmlinuz-4\noptions $kernelopts\n",
		}, "grub", []entry{
			{"/boot/loader/entries/m-4.conf:2: /vmlinuz-4", "", "root=UUID=1 ro quiet", "default"},
		}},
		{"EL 9 by UEFI, with a stub", files{
			"boot/efi/EFI/rocky/grub.cfg":               "search --no-floppy --root-dev-only --fs-uuid --set=dev 1\nset prefix=($dev)/boot/grub2\nexport $prefix\nconfigfile $prefix/grub.cfg\n",
			"boot/grub2/grub.cfg":                       grubHead + "set kernelopts=\"\"\nblscfg;blscfg\n",
			"boot/loader/entries/m-5.14.0-503.el9.conf": "title R\nlinux /boot/vmlinuz-5.14\noptions root=UUID=1 ro console=tty0\noptions console=ttyS0,115200n8\n",
			"boot/loader/entries/notes.txt":             "linux /x\n",
			"boot/loader/entries/z-firmware.conf":       "title Firmware\nefi /EFI/x.efi\n",
		}, "grub", []entry{
			{"/boot/loader/entries/m-5.14.0-503.el9.conf:3: /boot/vmlinuz-5.14", "R", "root=UUID=1 ro console=tty0 console=ttyS0,115200n8", "default"},
		}},
		{"EL 8 by UEFI, whose menu is in the EFI system partition", files{
			"boot/efi/EFI/redhat/grub.cfg": grubHead + "set kernelopts=\"root=UUID=1 quiet\"\nblscfg\n",
			"boot/loader/entries/m-4.conf": "linux /vmlinuz-4\noptions $kernelopts\n",
		}, "grub", []entry{{"/boot/loader/entries/m-4.conf:2: /vmlinuz-4", "", "root=UUID=1 quiet", "default"}}},
		{"EL 6", files{
			"boot/grub/grub.conf": "default=1\ntimeout=5\nhiddenmenu\ntitle Red Hat (2.6.32-754)\n\troot (hd0,0)\n\tkernel /vmlinuz-2.6.32-754 ro root=UUID=1 rhgb quiet\n\tinitrd /i\n" +
				"title Old\n\tkernel --no-mem-option /vmlinuz-2.6.32-5 ro root=UUID=1\ntitle Old (single-user mode)\n\tkernel /vmlinuz-2.6.32-5 single\n",
			"boot/grub/menu.lst": "-> grub.conf",
		}, "grub-legacy", []entry{
			{"/boot/grub/grub.conf:6: /vmlinuz-2.6.32-754", "Red Hat (2.6.32-754)", "ro root=UUID=1 rhgb quiet", ""},
			{"/boot/grub/grub.conf:9: /vmlinuz-2.6.32-5", "Old", "ro root=UUID=1", "default"},
			{"/boot/grub/grub.conf:11: /vmlinuz-2.6.32-5", "Old (single-user mode)", "single", "recovery"},
		}},
		{"a leftover of GRUB 1", files{"boot/grub/menu.lst": "title A\nkernel /vmlinuz-1\n", "boot/grub/grub.cfg": "menuentry B {\nlinux /vmlinuz-2\n}\n"}, "grub", []entry{
			{"/boot/grub/grub.cfg:2: /vmlinuz-2", "B", "", "default"},
		}},
		{"SUSE, submenus and a saved one among them", files{
			"boot/grub2/grubenv": grubEnvironment + "saved_entry=Advanced options for SLES>SLES, with Linux 5.3\n",
			"boot/grub2/grub.cfg": grubHead + "function load_video {\n  true\n}\nmenuentry 'SLES' --class sles $menuentry_id_option 'simple' {\n  load_video\n  set gfxpayload=keep\n  if [ x$grub_platform = xxen ]; then insmod xzio; fi\n" +
				"  echo 'Loading'\n  linux /boot/vmlinuz root=UUID=1 ${extra_cmdline} quiet\n}\n" +
				"submenu 'Advanced options for SLES' --hotkey=1 $menuentry_id_option 'advanced' {\n\tmenuentry 'SLES, with Linux 5.3' {\n\t\tlinux /boot/vmlinuz-5.3 root=UUID=1\n\t}\n" +
				"\tmenuentry 'SLES, with Linux 5.3 (recovery mode)' --hotkey=2 {\n\t\tlinux /boot/vmlinuz-5.3 root=UUID=1 single\n\t}\n}\n",
			"boot/grub2/custom.cfg": "",
		}, "grub", []entry{
			{"/boot/grub2/grub.cfg:27: /boot/vmlinuz", "SLES", "root=UUID=1 quiet", ""},
			{"/boot/grub2/grub.cfg:31: /boot/vmlinuz-5.3", "SLES, with Linux 5.3", "root=UUID=1", "default"},
			{"/boot/grub2/grub.cfg:34: /boot/vmlinuz-5.3", "SLES, with Linux 5.3 (recovery mode)", "root=UUID=1 single", "recovery"},
		}},
		{"a custom menu, and a variable of its own in one entry", files{
			"boot/grub/grub.cfg": "set default=\"1\"\nset a=b\nmenuentry A {\n  set a=c\n  linux /k1 $a\n}\n" +
				"if [ -f  ${config_directory}/custom.cfg ]; then\n  source ${config_directory}/custom.cfg\nfi\nif [ -f $prefix/none.cfg ]; then set a=d; fi\nlinux /k3 $a\n",
			"boot/grub/custom.cfg": "menuentry B {\n  linux /k2 $a\n}\n",
		}, "grub", []entry{
			{"/boot/grub/grub.cfg:5: /k1", "A", "c", ""},
			{"/boot/grub/custom.cfg:2: /k2", "B", "b", "default"},
			{"/boot/grub/grub.cfg:11: /k3", "", "b", ""},
		}},
		{"Alpine", files{
			"boot/extlinux.conf": "DEFAULT menu.c32\nPROMPT 0\nMENU TITLE Alpine/Linux Boot Menu\nTIMEOUT 10\nLABEL virt\n  MENU DEFAULT\n  MENU LABEL Linux virt\n  LINUX vmlinuz-virt\n  INITRD initramfs-virt\n  APPEND root=UUID=1 modules=sd-mod,usb-storage,ext4 quiet rootfstype=ext4\nMENU SEPARATOR\n",
		}, "extlinux", []entry{
			{"/boot/extlinux.conf:10: vmlinuz-virt", "Linux virt", "root=UUID=1 modules=sd-mod,usb-storage,ext4 quiet rootfstype=ext4", "default"},
		}},
		{"syslinux with files that include each other", files{
			"boot/syslinux/syslinux.cfg": "APPEND root=UUID=1\nDEFAULT two\nINCLUDE more.cfg\nLABEL reboot\n COM32 reboot.c32\nLABEL hdt\n KERNEL hdt.c32\nLABEL none\n KERNEL /vmlinuz-3\n APPEND -\n",
			"boot/syslinux/more.cfg":     "label one\n\tkernel /vmlinuz-1 a=1\nlabel two\n\tlinux /vmlinuz-2\n",
		}, "extlinux", []entry{
			{"/boot/syslinux/more.cfg:2: /vmlinuz-1", "one", "a=1", ""},
			{"/boot/syslinux/more.cfg:4: /vmlinuz-2", "two", "root=UUID=1", "default"},
			{"/boot/syslinux/syslinux.cfg:10: /vmlinuz-3", "none", "", ""},
		}},
		{"Debian for U-Boot", files{
			"boot/extlinux/extlinux.conf": "default l0\nmenu title U-Boot menu\nlabel l0\n\tmenu label Debian GNU/Linux 12 6.1\n\tlinux /boot/vmlinuz-6.1\n\tappend root=UUID=1 ro quiet\nlabel l0r\n\tmenu label Debian GNU/Linux 12 6.1 (rescue target)\n\tlinux /boot/vmlinuz-6.1\n\tappend root=UUID=1 ro single\n",
		}, "extlinux", []entry{
			{"/boot/extlinux/extlinux.conf:6: /boot/vmlinuz-6.1", "Debian GNU/Linux 12 6.1", "root=UUID=1 ro quiet", "default"},
			{"/boot/extlinux/extlinux.conf:10: /boot/vmlinuz-6.1", "Debian GNU/Linux 12 6.1 (rescue target)", "root=UUID=1 ro single", "recovery"},
		}},
		{"Arch with systemd-boot", files{
			"boot/loader/loader.conf":                       "timeout 3\n#default x\ndefault arch-lts*\n",
			"boot/loader/entries/arch.conf":                 "title\tArch\nsort-key a\nversion 6.9\nlinux\t/vmlinuz-linux\noptions\troot=UUID=1\trw\n",
			"boot/loader/entries/arch-lts.conf":             "title Arch LTS\nsort-key a\nversion 6.12\nlinux /vmlinuz-linux-lts\noptions root=UUID=1 rw quiet\n",
			"boot/loader/entries/zz.conf":                   "title Z\nlinux /vmlinuz-z\n",
			"boot/EFI/Linux/arch-1.efi":                     efiProgram("root=UUID=1 console=ttyS0 \x00"),
			"boot/EFI/Linux/arch-1.efi.extra.d/a.addon.efi": efiProgram("debug"),
			"boot/EFI/Linux/arch-10.efi":                    efiProgram("root=UUID=1\n"),
		}, "systemd-boot", []entry{
			{"/boot/loader/entries/arch-lts.conf:5: /vmlinuz-linux-lts", "Arch LTS", "root=UUID=1 rw quiet", "default"},
			{"/boot/loader/entries/arch.conf:5: /vmlinuz-linux", "Arch", "root=UUID=1 rw", ""},
			{"/boot/loader/entries/zz.conf:2: /vmlinuz-z", "Z", "", ""},
			{"/boot/EFI/Linux/arch-10.efi:0: arch-10.efi", "", "root=UUID=1", ""},
			{"/boot/EFI/Linux/arch-1.efi:0: arch-1.efi", "", "root=UUID=1 console=ttyS0 debug", ""},
		}},
		{"entries that nothing reads", files{"boot/loader/entries/a.conf": "linux /vmlinuz\n"}, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, loaders := entriesOf(t, tt.files)
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", lined(got), lined(tt.want))
			}
			if strings.Join(loaders, " ") != tt.loaders {
				t.Errorf("loaders %q, want %q", loaders, tt.loaders)
			}
		})
	}
}

func lined(entries []entry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString("\t" + e.where + " | " + e.title + " | " + e.args + " | " + e.kind + "\n")
	}
	return b.String()
}

func TestGrubVariables(t *testing.T) {
	tests := map[string]struct{ script, want string }{
		"a value":                        {"set a=1\nset b=\"x $a\"\nlinux /k $b ${a}2", "x 1 12"},
		"none":                           {"linux /k a $none b", "a b"},
		"single quotes":                  {`set a=1` + "\n" + `linux /k '$a'`, "$a"},
		"escaped":                        {`linux /k "\$a" \"b\"`, `$a "b"`},
		"a comment":                      {"set a=1 # x\nlinux /k $a #y", "1"},
		"an assignment without set":      {"a=1; linux /k $a", "1"},
		"several commands on a line":     {"set a=1; set b=2; linux /k $a $b", "1 2"},
		"a later value":                  {"set a=1\nset a=2\nlinux /k $a", "2"},
		"unset":                          {"set a=1\nunset a\nlinux /k $a", ""},
		"a condition that holds":         {"set a=1\nif [ \"$a\" = 1 ]; then\nset a=2\nelse\nset a=3\nfi\nlinux /k $a", "2"},
		"a condition that does not hold": {"if [ \"$a\" != \"\" ]; then\nset a=2\nelif [ ! -z \"$a\" ]; then\nset a=4\nelse\nset a=3\nfi\nlinux /k $a", "3"},
		"a condition that shows at boot": {"set a=1\nif [ x$grub_platform = xefi ]; then\nset a=2\nfi\nlinux /k $a", "$a"},
		"the other branch of it":         {"if [ x$grub_platform = xefi ]; then\ntrue\nelse\nset a=2\nfi\nlinux /k $a", "$a"},
		"the same value either way":      {"set a=1\nif sleep --interruptible 0 ; then\n set a=1\nfi\nlinux /k $a", "1"},
		"in what is not run":             {"if [ 1 = 2 ]; then\nif sleep 1; then set a=1; fi;fi\nlinux /k a$a", "a"},
		"negated":                        {"if ! [ 1 = 2 ]; then set a=1; fi\nlinux /k $a", "1"},
		"a function":                     {"function f {\nset a=1\n}\nlinux /k $a", "$a"},
		"of a value that is not sure":    {"set b=$root\nset a=x$b\nlinux /k $a", "$a"},
		"a loop":                         {"for i in 1 2; do set a=1; done\nlinux /k $a", "$a"},
		"a file elsewhere":               {"if [ -e (hd0)/x ]; then set a=1; fi\nlinux /k $a", "$a"},
		"an argument of a function":      {"function f {\nif [ \"${1}\" = keep ]; then set a=1; fi\n}\nlinux /k $a", "$a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := &notes{}
			got := parseGrub(newTree(files{}.fs()), n, "/boot/grub/grub.cfg", tt.script)
			if len(got) != 1 || got[0].CommandLine != tt.want || len(n.open) > 0 {
				t.Errorf("got %+v, want arguments %q; %v", got, tt.want, n.open)
			}
		})
	}
}

func TestGrubScriptIsBounded(t *testing.T) {
	tests := map[string]string{
		"variables":       strings.Repeat("set aN=1\n", maxGrubVariables+1),
		"blocks":          strings.Repeat("if true; then\n", 200000),
		"entries":         strings.Repeat("menuentry A {\nset b=1\n", 100000),
		"doubled":         "set a=xxxxxxxxxx\n" + strings.Repeat("set a=$a$a\n", 100000),
		"put in place":    "set a=" + strings.Repeat("x", maxGrubValue) + "\nset b=" + strings.Repeat("$a", 1000000) + "\n",
		"files":           strings.Repeat("load_env\n", maxGrubFiles+1),
		"includes itself": "source $prefix/grub.cfg\n",
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			if name == "variables" {
				var b strings.Builder
				for i := range maxGrubVariables + 1 {
					b.WriteString(strings.Replace("set aN=1\n", "N", strings.Repeat("x", i), 1))
				}
				script = b.String()
			}
			n := &notes{}
			tree := newTree(files{"boot/grub/grub.cfg": script, "boot/grub/grubenv": "a=1\n"}.fs())
			parseGrub(tree, n, "/boot/grub/grub.cfg", script)
			if name != "doubled" && len(n.open) != 1 {
				t.Errorf("noted %q, want one entry", cut(n.open))
			}
		})
	}
}

func TestExtlinuxIncludesAreBounded(t *testing.T) {
	n := &notes{}
	f := files{"boot/extlinux.conf": strings.Repeat("include extlinux.conf\n", 1000) + "label a\nlinux /k\n"}
	if got := extlinuxEntries(newTree(f.fs()), n, "/boot"); len(n.open) == 0 || len(n.open) > 3 || len(got) == 0 {
		t.Errorf("got %d entries, noted %q", len(got), cut(n.open))
	}
}

// efiProgram is a PE file with nothing but a section .cmdline (Microsoft, PE
// format).
func efiProgram(args string) string {
	b := make([]byte, 0x200)
	copy(b, "MZ")
	binary.LittleEndian.PutUint32(b[60:], 0x80)
	copy(b[0x80:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(b[0x86:], 2)    // sections
	binary.LittleEndian.PutUint16(b[0x94:], 0x10) // size of the optional header
	table := b[0x80+24+0x10:]
	copy(table, ".osrel")
	copy(table[40:], ".cmdline")
	binary.LittleEndian.PutUint32(table[48:], uint32(len(args)))
	binary.LittleEndian.PutUint32(table[56:], 0x200)
	binary.LittleEndian.PutUint32(table[60:], 0x200)
	return string(b) + args + strings.Repeat("\x00", 0x200-len(args))
}

func TestArgumentsOfARealEFIProgram(t *testing.T) {
	for _, program := range []string{"gcc", "objcopy"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (Debian packages gcc, binutils): a section that binutils made is not read", program)
		}
	}
	dir := t.TempDir()
	name := func(n string) string { return filepath.Join(dir, n) }
	for file, text := range map[string]string{"a.c": "int main(void) { return 0; }\n", "args": "root=UUID=1 console=ttyS0\x00"} {
		if err := os.WriteFile(name(file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range [][]string{
		{"gcc", "-c", "-o", name("a.o"), name("a.c")},
		{"objcopy", "--add-section", ".cmdline=" + name("args"), "--set-section-flags", ".cmdline=data,readonly", "--change-section-vma", ".cmdline=0x30000", "-O", "pei-x86-64", name("a.o"), name("a.efi")},
	} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%s: %v, %s: a section that binutils made is not read", command[0], err, out)
		}
	}
	b, err := os.ReadFile(name("a.efi"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readSection(bytes.NewReader(b), ".cmdline", maxArguments)
	if err != nil || strings.TrimRight(string(got), "\x00") != "root=UUID=1 console=ttyS0" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDamagedEFIProgramsAreErrors(t *testing.T) {
	program := efiProgram("root=UUID=1")
	edit := func(at int, b ...byte) string { return program[:at] + string(b) + program[at+len(b):] }
	tests := map[string]struct{ program, want string }{
		"a script":           {"#!/bin/sh\n" + strings.Repeat("x", 100), "is no EFI program"},
		"short":              {"MZ", "is no EFI program"},
		"DOS only":           {edit(0x80, 'X'), "is no EFI program"},
		"header far away":    {edit(60, 0xff, 0xff, 0xff, 0xff), "is no EFI program"},
		"many sections":      {edit(0x86, 97, 0), "97 sections"},
		"table cut off":      {program[:0xb0], "can not be read"},
		"arguments too long": {edit(0x80+24+0x10+40+8, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0), "131072 bytes"},
		"arguments cut off":  {program[:0x205], "can not be read"},
	}
	for name, tt := range tests {
		if got, err := readSection(strings.NewReader(tt.program), ".cmdline", maxArguments); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, tt.want)
		}
	}
	n := &notes{}
	f := files{"boot/loader/loader.conf": "", "boot/EFI/Linux/a.efi": "x"}
	if got, _ := bootEntries(newTree(f.fs()), n, bootFolders); len(got) != 0 || n.err() == nil {
		t.Errorf("a damaged image: got %+v, %v; want an unknown", got, n.err())
	}
}

func TestEnvironmentOfTheRealGrubEditenv(t *testing.T) {
	if _, err := exec.LookPath("grub-editenv"); err != nil {
		t.Skip("needs grub-editenv (Debian package grub-common): an environment block that GRUB wrote is not read")
	}
	env := filepath.Join(t.TempDir(), "grubenv")
	for _, args := range [][]string{{"create"}, {"set", `kernelopts=root=UUID=1 a="b c" d\e`, "saved_entry=x"}} {
		if out, err := exec.CommandContext(t.Context(), "grub-editenv", append([]string{env}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("grub-editenv %v: %v, %s", args, err, out)
		}
	}
	b, err := os.ReadFile(env)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := entriesOf(t, files{"boot/grub2/grubenv": string(b), "boot/grub2/grub.cfg": "load_env\nlinux /k $kernelopts\n"})
	if want := `root=UUID=1 a="b c" d\e`; len(got) != 1 || got[0].args != want {
		t.Errorf("got %+v, want arguments %q", got, want)
	}
}

func TestNewestComesFirst(t *testing.T) {
	for _, pair := range [][2]string{
		{"6.10.0-1.fc40.conf", "6.9.1-1.fc40.conf"},
		{"m-4.18.0-553.el8.conf", "m-4.18.0-80.el8.conf"},
		{"m-5.1.conf", "m-0-rescue.conf"},
		{"1.0", "1.0~rc1"},
		{"1.0a", "1.0"},
		{"a2", "a01"},
	} {
		if newest(pair[0], pair[1]) >= 0 || newest(pair[1], pair[0]) <= 0 || newest(pair[0], pair[0]) != 0 {
			t.Errorf("%q does not come before %q", pair[0], pair[1])
		}
	}
}

func FuzzReadSection(f *testing.F) {
	f.Add([]byte(efiProgram("console=ttyS0")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := readSection(bytes.NewReader(b), ".cmdline", maxArguments); err == nil && len(got) > maxArguments {
			t.Errorf("%d bytes of arguments", len(got))
		}
	})
}

func FuzzMenus(f *testing.F) {
	f.Add("label a\nkernel /k\nappend b\n", "title x\nlinux /k\noptions y\n", "default 0\ntitle a\nkernel /k a\n")
	f.Fuzz(func(t *testing.T, extlinux, typeOne, legacy string) {
		tree := newTree(files{
			"boot/extlinux.conf": extlinux, "boot/loader/loader.conf": "default *\n", "boot/loader/entries/a-1.conf": typeOne,
			"boot/grub/menu.lst": legacy,
		}.fs())
		entries, _ := bootEntries(tree, &notes{}, bootFolders)
		for _, e := range entries {
			if e.Line < 1 || strings.ContainsAny(e.CommandLine, "\n\t") {
				t.Errorf("entry %+v", e)
			}
		}
	})
}

func FuzzNewest(f *testing.F) {
	f.Add("1.2-3", "1.10~rc1")
	f.Fuzz(func(t *testing.T, a, b string) {
		if x, y := newest(a, b), newest(b, a); (x < 0) != (y > 0) || (x == 0) != (y == 0) {
			t.Errorf("newest(%q, %q) is %d, and the other way round %d", a, b, x, y)
		}
	})
}
