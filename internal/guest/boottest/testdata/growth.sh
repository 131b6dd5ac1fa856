#!/bin/sh
# The first process of the virtual machine: makes a root file system on each
# disk as its name says, and grows it twice by the boot program, which sees it
# as its root. A disk is named LABEL-KIND-TOOLS, for example gpt-ext4-sfdisk.

export PATH=/bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /run
while read -r module; do insmod "$module"; done </modules/order
mkdir -p /etc/lvm
printf '#!/bin/sh\necho 2.6.32-754.el6.x86_64\n' >/with/old/uname
chmod 0755 /with/old/uname

main() {
  for disk in /sys/block/vd*; do
    name=$(cat "$disk/serial")
    case $name in
    drive-*) config_drive "$name" "/dev/${disk##*/}" ;;
    *) grow "$name" "/dev/${disk##*/}" ;;
    esac
  done
  echo "=== end"
}

# grow NAME DISK: the root is on the first partition, or the fifth of an
# extended one, or on LVM there, or on the whole disk.
grow() {
  rest=${1#*-}
  kind=${rest%-*}
  label=${1%%-*}
  device=${2}1
  case $label in
  logical) device=${2}5 ;;
  disk) device=$2 ;;
  esac
  {
    make_root
    mount_root
    echo "=== $1 before $(size_of_root)"
    boot grow
    echo "=== $1 status $status after $(size_of_root)"
    boot grow
    echo "=== $1 again status $status size $(size_of_root)"
    echo "=== $1 $(cat /mnt/witness)"
    leave_root
  } 2>&1
}

# size_of_root: in KiB.
size_of_root() {
  df -P -k /mnt | awk 'NR == 2 { print $2 }'
}

make_root() {
  case $kind in
  lvm*)
    group=$(echo "$name" | tr -cd a-z0-9)
    lvm pvcreate "$device" >/run/check
    lvm vgcreate "$group" "$device" >/run/check
    lvm lvcreate -Wn -Zn --noudevsync -n root -l 100%FREE "$group" >/run/check
    lvm vgmknodes
    device=/dev/mapper/$group-root
    kind=${kind#lvm.}
    ;;
  esac
  case $kind in
  ext4) mke2fs -q -t ext4 "$device" 300M ;;
  xfs) mkfs.xfs -q "$device" ;;
  btrfs) mkfs.btrfs -q "$device" >/run/check ;;
  esac
}

mount_root() {
  mount -t "$kind" "$device" /mnt
  echo "the files are still there" >/mnt/witness
  prepare_root
  mount --bind "/with/${name##*-}" /mnt/sbin
}

prepare_root() {
  for folder in bin sbin lib lib64 usr etc var dev proc sys run tmp; do mkdir -p /mnt/$folder; done
  for folder in bin lib lib64 usr dev proc sys run; do mount --bind /$folder /mnt/$folder; done
}

boot() {
  status=0
  chroot /mnt /usr/libexec/openstack-ready/boot "$@" || status=$?
}

leave_root() {
  umount /mnt/sbin
  for folder in bin lib lib64 usr dev proc sys run; do umount /mnt/$folder; done
  umount /mnt
  case $kind in
  ext4) check e2fsck -f -n "$device" ;;
  xfs) check xfs_repair -n "$device" ;;
  btrfs) check btrfs check "$device" ;;
  esac
}

check() {
  if "$@" >/run/check 2>&1; then
    echo "=== $name sound"
  else
    cat /run/check
  fi
}

# config_drive NAME DISK: the only disk that the boot program can see, at the
# first boot of an instance and at the second.
config_drive() {
  mount -t tmpfs none /mnt
  prepare_root
  umount /mnt/dev
  mount -t tmpfs none /mnt/dev
  mknod /mnt/dev/null c 1 3
  mknod /mnt/dev/urandom c 1 9
  IFS=: read -r major minor <"/sys/block/${2##*/}/dev"
  mknod "/mnt$2" b "$major" "$minor"
  mkdir -p /mnt/etc/ssh /mnt/root /mnt/sbin
  echo root:x:0:0:root:/root:/bin/sh >/mnt/etc/passwd
  echo "an earlier instance's" >/mnt/etc/ssh/ssh_host_ed25519_key
  {
    boot keys
    echo "=== $1 status $status keys"
    boot user-data
    echo "=== $1 status $status user-data"
    rm -rf /run/openstack-ready
    boot user-data
    echo "=== $1 status $status again"
    echo "kernel: $(cat /proc/sys/kernel/hostname), file: $(cat /mnt/etc/hostname), $(cd /mnt/etc/ssh && head -n 1 ssh_host_ed25519_key)"
    cat /mnt/root/.ssh/authorized_keys
    grep openstack-ready /proc/mounts
    echo "=== $1 end"
  } 2>&1
  rm -rf /run/openstack-ready
  umount /mnt/dev
  for folder in bin lib lib64 usr proc sys run; do umount /mnt/$folder; done
  umount /mnt
}

main >/dev/console 2>&1
poweroff -f
