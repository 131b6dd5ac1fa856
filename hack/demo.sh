#!/bin/sh
# The main job, end to end, on real parts: an unready Debian disk becomes an
# image in a real Glance. Run by "make demo" and "make demo-release", which set
# Packer's folders. Usage: hack/demo.sh dev|install-release, the make target that
# installs the plugin.
# What it makes stays in .build/demo; a second run takes the base image, the
# tools and the cloud's database from there.
set -eu

hack=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$hack")
build=$checkout/.build
dir=$build/demo
base=$dir/base/debian-12.qcow2
disk=$dir/output/debian.qcow2
packer=$build/tools/packer
plugin=$build/packer-plugin-openstack-ready

main() {
  [ $# -eq 1 ] || fail "usage: hack/demo.sh dev|install-release"
  cd "$checkout"
  mkdir -p "$dir"
  exec 8>"$dir/lock"
  flock -n 8 || fail "another make demo is running in this checkout; wait for it, or use another checkout"
  : >"$dir/times"
  trap stop EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  step "Debian packages" "$hack/packages.sh" demo cloud
  step "tools and plugin" "${MAKE:-make}" --no-print-directory "$1"
  step "base image" "$hack/base-image.sh" "$base"
  step "what the base image lacks" inspect_base
  step "Keystone and Glance" start_cloud
  step "packer build" build_image
  step "what Glance has" show_image
  say "How long it took"
  awk '{ total += $1; printf "  %5d s  %s\n", $1, substr($0, index($0, " ") + 1) }
    END { printf "  %5d s  in all\n", total }' "$dir/times"
  tail -n 1 "$dir/verdict"
}

# step says what comes, does it, and notes how long it took.
step() {
  name=$1
  shift
  say "$name"
  started=$(date +%s)
  "$@"
  echo "$(($(date +%s) - started)) $name" >>"$dir/times"
}

say() { printf '\n=== %s (%s)\n' "$*" "$(date +%T)"; }

# inspect_base shows that the base image is unready, and in what.
inspect_base() {
  status=0
  "$plugin" inspect "$base" >"$dir/base.txt" || status=$?
  sed '/^$/q' "$dir/base.txt"
  sed -n '/^REQUIREMENT/,/^$/p' "$dir/base.txt"
  [ "$status" -eq 1 ] || fail "inspect ended with status $status on the base image; 1 was expected, for an image that is not ready"
  for id in root-resize no-hardcoded-mac no-firewall ssh-key user-data console-log identity-reset no-secrets; do
    grep -q "^$id  *unmet " "$dir/base.txt" || fail "inspect did not find $id unmet in the base image"
  done
  echo "The base image is not ready, as it should be. Details: $dir/base.txt"
}

start_cloud() {
  cloud=$dir/cloud
  # The servers must not keep the demo's lock.
  "$hack/cloud.sh" start "$cloud" 8>&-
  eval "$("$hack/cloud.sh" env "$cloud")"
  forget_last_image
}

# forget_last_image removes the last run's image, so that runs do not pile up.
forget_last_image() {
  [ -s "$dir/image-id" ] || return 0
  if openstack image show "$(cat "$dir/image-id")" >/dev/null 2>&1; then
    openstack image delete "$(cat "$dir/image-id")"
  fi
  rm "$dir/image-id"
}

build_image() {
  accelerator=$("$hack/accelerator.sh")
  echo "Under $accelerator. The build's log: $dir/packer.log"
  [ "$accelerator" = kvm ] || echo "KVM does not work on this machine: an emulated build takes about 10 minutes."
  rm -rf "$dir/output" "$dir/guest-first.json" "$dir/guest.json" "$dir/report.json"
  PACKER_LOG=1 PACKER_LOG_PATH=$dir/packer.log "$packer" build -color=false -timestamp-ui \
    -var base_image="$base" -var ssh_private_key_file="${base%.qcow2}.key" \
    -var accelerator="$accelerator" -var proxy="$(proxy)" \
    -var output_directory="$dir/output" -var report_directory="$dir" \
    -var cloud="$OS_CLOUD" example/debian </dev/null
}

# proxy prints the proxy by which this machine gets its packages, as the build
# VM sees it: QEMU shows it this machine's loopback as 10.0.2.2.
proxy() {
  eval "$(apt-config shell found Acquire::http::Proxy)"
  printf '%s' "${found:-${http_proxy:-}}" | sed -E 's#//(localhost|127\.0\.0\.1|\[::1\])#//10.0.2.2#'
}

# show_image asks Glance, not the plugin, and holds both against each other.
show_image() {
  /usr/bin/python3 "$hack/demo_verdict.py" id "$dir/report.json" >"$dir/image-id"
  openstack image show --max-width 100 "$(cat "$dir/image-id")"
  openstack image show -f json "$(cat "$dir/image-id")" >"$dir/image.json"
  sha512sum "$disk" | cut -d ' ' -f 1 >"$dir/sha512"
  status=0
  /usr/bin/python3 "$hack/demo_verdict.py" verdict "$dir/report.json" "$dir/guest.json" \
    "$dir/image.json" "$dir/sha512" >"$dir/verdict" || status=$?
  sed '$d' "$dir/verdict"
  [ "$status" -eq 0 ] || fail "$(tail -n 1 "$dir/verdict")"
}

openstack() { /usr/bin/openstack "$@"; }

stop() {
  status=$?
  trap - EXIT
  if [ -d "$dir/cloud" ]; then "$hack/cloud.sh" stop "$dir/cloud"; fi
  [ "$status" -eq 0 ] || echo "The demo did not succeed." >&2
  exit "$status"
}

fail() {
  printf 'demo.sh: %s\n' "$*" >&2
  exit 1
}

main "$@"
