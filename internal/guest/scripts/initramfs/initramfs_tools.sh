# shellcheck shell=sh
# initramfs-tools, of Debian and Ubuntu.

initramfs_tools_recognise() {
  has_program update-initramfs
}

# initramfs_tools_list FILE: the names of the files in it.
initramfs_tools_list() {
  lsinitramfs "$1"
}

# initramfs_tools_widen: puts the drivers of other machines in, not only of this one.
initramfs_tools_widen() {
  printf '%s\n' \
    '# Written by packer-plugin-openstack-ready: the drivers of every machine.' \
    'MODULES=most' | write_file /etc/initramfs-tools/conf.d/zz-openstack-ready
}

# initramfs_tools_rebuild: of every installed kernel.
initramfs_tools_rebuild() {
  update-initramfs -u -k all
}
