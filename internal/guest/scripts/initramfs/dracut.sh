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

# dracut_rebuild: of every installed kernel, where its boot entry has it: by
# itself dracut names the file as a machine ID and the kernel's hooks do not.
dracut_rebuild() {
  for dr_version in $(kernels); do
    dr_first=
    for dr_image in $(initramfs_images "$dr_version"); do
      if [ -n "$dr_first" ]; then
        cp "$ROOT$dr_first" "$ROOT$dr_image" || return 1
      else
        dracut -f "$dr_image" "$dr_version" || return 1
        dr_first=$dr_image
      fi
    done
    [ -n "$dr_first" ] || dracut -f --kver "$dr_version" || return 1
  done
}
