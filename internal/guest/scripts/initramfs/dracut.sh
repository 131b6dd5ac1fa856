# shellcheck shell=sh
# dracut, of Fedora, EL and SUSE, and of Debian and Ubuntu where it is chosen.

DRACUT_DROPIN=/etc/dracut.conf.d/20-openstack-ready.conf

dracut_recognise() {
  has_program dracut
}

# dracut_list FILE: the names of the files in it.
dracut_list() {
  lsinitrd "$1"
}

# dracut_widen: puts the drivers of other machines in, not only of this one. A
# shell file, whose lists must begin and end with a space (dracut.conf(5)). What
# these drivers need comes with them; of a driver that a kernel lacks, dracut
# complains, and may leave out those after it.
dracut_widen() {
  printf '%s\n' \
    '# Written by packer-plugin-openstack-ready: the drivers of every machine.' \
    'hostonly="no"' \
    "add_drivers+=\" virtio_pci virtio_blk virtio_scsi virtio_net ${SET_XEN:+xen-blkfront xen-netfront }\"" |
    write_file "$DRACUT_DROPIN"
}

# dracut_rebuild: of every installed kernel. EL 6 has no --regenerate-all.
dracut_rebuild() {
  if dracut --help | grep -q -e --regenerate-all; then
    dracut -f --regenerate-all
    return
  fi
  for dr_version in $(kernels); do
    dracut -f "$(initramfs_image "$dr_version")" "$dr_version" || return 1
  done
}
