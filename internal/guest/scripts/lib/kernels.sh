# shellcheck shell=sh
# Kernels and their initramfs. What must be made anew is only marked by a mend,
# and made once after all of them.

# kernels: the versions that are installed with a kernel to boot.
kernels() {
  for k_dir in "$ROOT"/lib/modules/*; do
    k_version=${k_dir##*/}
    if [ -n "$(kernel_image "$k_version")" ]; then
      echo "$k_version"
    fi
  done
}

# kernel_image VERSION: its kernel, or nothing. Alpine names it by its flavour,
# Arch and Fedora keep it beside its modules.
kernel_image() {
  first_file "/boot/vmlinuz-$1" "/lib/modules/$1/vmlinuz" "/boot/kernel-$1" "/boot/vmlinux-$1" \
    "/boot/vmlinuz-${1##*-}"
}

# initramfs_image VERSION: the initramfs of a kernel, as its boot entry has it,
# or the unified kernel image that holds it, or nothing.
initramfs_image() {
  initramfs_images "$1" | sed 1q
}

# initramfs_images VERSION: that of the boot entry, which kernel-install(8) puts
# into a folder of the boot partition, and the one that it was copied from.
initramfs_images() {
  for ii_file in "$ROOT"/efi/*/"$1"/initrd* "$ROOT"/boot/*/"$1"/initrd* "$ROOT"/boot/efi/*/"$1"/initrd*; do
    if [ -f "$ii_file" ]; then
      guest_path "$ii_file"
    fi
  done
  made_initramfs "$1"
}

# made_initramfs VERSION: where the initramfs makers put theirs.
made_initramfs() {
  ii_package=
  if [ -s "$ROOT/lib/modules/$1/pkgbase" ]; then
    read -r ii_package <"$ROOT/lib/modules/$1/pkgbase"
  fi
  first_file "/boot/initrd.img-$1" "/boot/initramfs-$1.img" "/boot/initrd-$1" \
    ${ii_package:+"/boot/initramfs-$ii_package.img"} "/boot/initramfs-${1##*-}" \
    ${ii_package:+"/efi/EFI/Linux/arch-$ii_package.efi"} ${ii_package:+"/boot/EFI/Linux/arch-$ii_package.efi"}
}

# first_file PATH...: the first that is there.
first_file() {
  for ff_path in "$@"; do
    if [ -f "$ROOT$ff_path" ]; then
      echo "$ff_path"
      return 0
    fi
  done
}

# initramfs FUNCTION ARGUMENT...: calls the function of the guest's initramfs maker.
initramfs() {
  initramfs_function=$1
  shift
  "${INITRAMFS}_$initramfs_function" "$@"
}

find_initramfs() {
  for INITRAMFS in $INITRAMFS_MAKERS; do
    if initramfs recognise; then
      return 0
    fi
  done
  INITRAMFS=
}

# initramfs_names KERNEL: the file that lists what is in its initramfs; made
# once, as unpacking takes a while, until forget_initramfs_names.
initramfs_names() {
  in_list=$WORK/initramfs-$1.names
  if [ ! -e "$in_list" ]; then
    initramfs list "$ROOT$(initramfs_image "$1")" >"$in_list"
  fi
  echo "$in_list"
}

# forget_initramfs_names: after what makes an initramfs anew. Times of change
# would not tell: busybox find compares whole seconds.
forget_initramfs_names() { rm -f "$WORK"/initramfs-*.names; }

# initramfs_has KERNEL MODULE: whether it has an initramfs with the module in it.
initramfs_has() {
  [ -n "$(initramfs_image "$1")" ] && grep -Eq "/$2\.ko" "$(initramfs_names "$1")"
}

mark_initramfs() { echo "$ID" >>"$WORK/initramfs"; }

mark_boot_menu() { echo "$ID" >>"$WORK/boot-menu"; }

# rebuild_marked: the initramfs first, since the boot menu names it.
rebuild_marked() {
  rebuild initramfs rebuild_initramfs 'rebuilt the initramfs of every kernel'
  rebuild boot-menu rebuild_boot_menus 'regenerated the boot menu'
}

# rebuild MARK FUNCTION TEXT
rebuild() {
  if [ -n "$ROOT" ] || [ ! -s "$WORK/$1" ]; then
    return 0
  fi
  read -r ID <"$WORK/$1"
  say stage "rebuild $1"
  r_status=0
  "$2" 3>&- || r_status=$?
  forget_initramfs_names
  if [ "$r_status" -eq 0 ]; then
    change "$3"
    return 0
  fi
  r_reason="the $1 could not be rebuilt: $(tail -n 1 "$WORK/log")"
  while read -r ID; do
    trouble "$r_reason"
  done <"$WORK/$1"
}

rebuild_initramfs() {
  if [ -z "$INITRAMFS" ]; then
    echo "none of $INITRAMFS_MAKERS is installed to make it" >&2
    return 1
  fi
  initramfs rebuild
}
