#!/bin/sh
# Measures publishing beside qemu-img, curl and the openstack client: a sparse
# qcow2 of 2 GiB and 1 GiB of random raw. Run by "make bench". The images stay in
# .build/bench, the cloud in .build/bench/cloud ends by itself.
# BENCH_MIB makes the images of that size in place of 2048.
set -eu

hack=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$hack")
dir=$checkout/.build/bench
mib=${BENCH_MIB:-2048}
qcow2=$dir/publish-$mib.qcow2
raw=$dir/publish-$mib.raw

main() {
  cd "$checkout"
  mkdir -p "$dir"
  make_images
  cloud=
  if "$hack/cloud.sh" start "$dir/cloud"; then
    eval "$("$hack/cloud.sh" env "$dir/cloud")"
    cloud=demo
  else
    echo "Left out: the rows of a real Glance, which could not be started"
  fi
  go run ./hack/bench-publish -qcow2 "$qcow2" -raw "$raw" -cloud "$cloud" || status=$?
  if [ -n "$cloud" ]; then
    "$hack/cloud.sh" stop "$dir/cloud"
  fi
  return "${status:-0}"
}

# make_images puts half as many random bytes as the disk has into the qcow2, a
# quarter at its start and a quarter in its middle.
make_images() {
  [ ! -f "$raw" ] || [ ! -f "$qcow2" ] || return 0
  head -c "$((mib / 2))M" /dev/urandom >"$raw.new"
  truncate -s 0 "$raw.sparse"
  truncate -s "${mib}M" "$raw.sparse"
  dd if="$raw.new" of="$raw.sparse" bs=1M count=$((mib / 4)) conv=notrunc status=none
  dd if="$raw.new" of="$raw.sparse" bs=1M count=$((mib / 4)) skip=$((mib / 4)) seek=$((mib / 2)) conv=notrunc status=none
  qemu-img convert -f raw -O qcow2 "$raw.sparse" "$qcow2"
  rm "$raw.sparse"
  mv "$raw.new" "$raw"
}

main "$@"
