#!/bin/sh
# Prints the QEMU accelerator that works on this machine: kvm or tcg.
# /dev/kvm may exist and its guests still hang, some only in 64-bit mode, so a
# guest is run: a boot sector that turns on paging and 64-bit mode, writes a
# byte to the debug port and leaves through isa-debug-exit.
set -eu

time_limit=10

main() {
  command -v qemu-system-x86_64 >/dev/null || {
    echo "accelerator.sh: needs qemu-system-x86_64 (Debian package qemu-system-x86)" >&2
    exit 2
  }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  if [ -w /dev/kvm ] && runs "-accel kvm -cpu host"; then
    echo kvm
  else
    echo tcg
  fi
}

# runs reports whether a guest gets as far as its 64-bit code with the options.
runs() {
  boot_sector >"$work/sector"
  # isa-debug-exit never leaves with status 0; a guest that resets itself does.
  # shellcheck disable=SC2086 # a list of options
  timeout -k 1 "$time_limit" qemu-system-x86_64 $1 -m 16 -nodefaults -display none -no-reboot \
    -drive "file=$work/sector,format=raw,if=ide,snapshot=on" \
    -chardev "file,id=said,path=$work/said" -device isa-debugcon,iobase=0xe9,chardev=said \
    -device isa-debug-exit,iobase=0xf4,iosize=4 </dev/null >/dev/null 2>&1 && return 1
  [ -s "$work/said" ] && [ "$(cat "$work/said")" = K ]
}

# boot_sector prints 512 bytes, assembled with GNU as from:
#   .intel_syntax noprefix
#   .code16
#     cli; xor eax,eax; mov ds,ax; mov es,ax
#     mov edi,0x1000; mov cr3,edi; mov ecx,0xc00; cld; rep stosd
#     mov word ptr [0x1000],0x2003; mov word ptr [0x2000],0x3003; mov word ptr [0x3000],0x83
#     mov eax,0x20; mov cr4,eax                         # PAE
#     mov ecx,0xc0000080; mov eax,0x100; wrmsr          # EFER.LME
#     mov eax,0x80000001; mov cr0,eax                   # PG, PE
#     lgdt [gdtr]; ljmp 8, offset long_mode
#   .code64
#   long_mode: mov al,0x4b; out 0xe9,al; out 0xf4,al; hlt
#   gdtr: .word 15; .long gdt
#   gdt: .quad 0, 0x00209a0000000000
boot_sector() {
  base64 -d <<END
+mYxwI7YjsBmvwAQAAAPIt9muQAMAAD8ZvOrxwYAEAMgxwYAIAMwxwYAMIMAZrggAAAADyLgZrmA
AADAZrgAAQAADzBmuAEAAIAPIsAPARZefOpXfAgAsEvm6eb09A8AZHwAAAAAAAAAAAAAAAAAAA==
END
  head -c 398 /dev/zero
  printf '\125\252'
}

main
