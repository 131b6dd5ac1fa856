#!/bin/sh
# Runs every test, with a real Keystone and Glance on loopback where they can
# be installed, and says at the end which tests were left out and why.
# Usage: hack/test.sh [GO TEST ARGUMENTS…], run by "make test".
set -eu

cd "$(dirname "$0")/.."
build=$PWD/.build
cloud=$build/cloud
image=$build/boot-image/ready.raw
log=$build/test.json

main() {
  if prepare test; then
    hack/boot-image.sh "$image"
    export OPENSTACK_READY_BOOT_IMAGE="$image"
    offer_kernel
  else
    echo "Tests that need these packages are left out."
  fi
  if prepare cloud; then
    trap 'hack/cloud.sh stop "$cloud"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    hack/cloud.sh start "$cloud"
    export OPENSTACK_READY_TEST_CLOUD="$cloud/clouds.yaml"
  else
    echo "Tests that publish in a real Glance are left out."
  fi
  # Debian's python3 comes first: another one does not see Debian's modules.
  PATH=/usr/bin:$PATH:/usr/sbin:$build/tools
  status=0
  # The packages share two cores and one cloud, so they run one after another.
  gotestsum --format pkgname --jsonfile "$log" -- \
    -race -count 1 -p 1 -timeout 40m "${@:-./...}" || status=$?
  left_out
  return "$status"
}

# offer_kernel names a kernel for libguestfs; without it a test is left out.
offer_kernel() {
  kernel=$(hack/guestfs-kernel.sh "$build/guestfs-kernel") || kernel=
  eval "$kernel"
}

# prepare installs a group of packages; it is false where that cannot be done
# on this machine, which is no fault of a test.
prepare() {
  status=0
  hack/packages.sh "$1" || status=$?
  case $status in
  0) ;;
  3) return 1 ;;
  *) exit "$status" ;;
  esac
}

# left_out lists the tests that were skipped, with their reasons.
left_out() {
  skipped=$(sed -n 's/.*"Action":"output".*"Output":"\( *[a-z0-9_]*_test\.go:[0-9]*: needs .*\)\\n"}$/\1/p' "$log" |
    sed 's/^ *[a-z0-9_]*_test\.go:[0-9]*: //; s/\\"/"/g' | sort | uniq -c)
  if [ -z "$skipped" ]; then
    echo "No test was left out."
    return
  fi
  echo "Left out (number of tests, and what they need):"
  echo "$skipped"
}

main "$@"
