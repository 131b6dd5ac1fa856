# shellcheck shell=sh
# mkinitfs, of Alpine.

MKINITFS_CONFIGURATION=/etc/mkinitfs/mkinitfs.conf

mkinitfs_recognise() {
  has_program mkinitfs
}

# mkinitfs_list FILE: the names of the files in it. The magic numbers are those
# of gzip, zstd, xz and lz4.
mkinitfs_list() {
  case $(od -A n -t x1 -N 4 "$1" | tr -d ' \n') in
  1f8b*) gzip -dc "$1" | cpio -t ;;
  28b52ffd) zstd -dc "$1" | cpio -t ;;
  fd377a58) xz -dc "$1" | cpio -t ;;
  02214c18) lz4 -dc "$1" | cpio -t ;;
  *) cpio -t <"$1" ;;
  esac
}

# mkinitfs_widen: the features that hold the drivers of disks on any machine.
mkinitfs_widen() {
  edit_file "$MKINITFS_CONFIGURATION" mkinitfs_add_features
}

mkinitfs_add_features() {
  awk '
    /^[ \t]*features=/ {
      value = $0
      sub(/^[ \t]*features=["\047]?/, "", value)
      sub(/["\047]?[ \t]*$/, "", value)
      n = split("ata base scsi virtio", wanted, " ")
      for (i = 1; i <= n; i++) if (index(" " value " ", " " wanted[i] " ") == 0) value = value " " wanted[i]
      print "features=\"" value "\""
      next
    }
    { print }
  '
}

# mkinitfs_rebuild: of every installed kernel.
mkinitfs_rebuild() {
  for mr_version in $(kernels); do
    mkinitfs "$mr_version" || return 1
  done
}
