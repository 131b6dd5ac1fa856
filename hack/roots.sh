#!/bin/sh
# Makes base images ready whose roots are not an ext4 file system in a partition,
# and proves them by booting, through the real Packer. Run by "make test-roots",
# which sets Packer's folders. What it makes stays in .build/roots.
# Usage: hack/roots.sh [LAYOUT…], of those of hack/base-image.sh
set -eu

hack=$(cd "$(dirname "$0")" && pwd)
dir=$(dirname "$hack")/.build/roots
packer=$(dirname "$hack")/.build/tools/packer

main() {
  [ $# -gt 0 ] || set -- lvm-xfs btrfs-uefi
  "$hack/packages.sh" demo test
  accelerator=$("$hack/accelerator.sh")
  for layout; do
    started=$(date +%s)
    make_ready
    show_proof
    echo "$layout: proved, $(($(date +%s) - started)) s"
  done
}

# make_ready does without cloud-init where the root is on LVM, which cloud-init
# does not grow.
make_ready() {
  uefi=false initialisation=scripts
  case $layout in *-uefi) uefi=true initialisation=cloud-init ;; esac
  base=$dir/$layout/base.qcow2
  "$hack/base-image.sh" "$base" "$layout"
  rm -rf "$dir/$layout/output" "$dir/$layout/proof"
  PACKER_LOG=1 PACKER_LOG_PATH=$dir/$layout/packer.log "$packer" build -color=false -timestamp-ui \
    -var base_image="$base" -var ssh_private_key_file="${base%.qcow2}.key" -var accelerator="$accelerator" \
    -var directory="$dir/$layout" -var uefi="$uefi" -var initialisation="$initialisation" "$hack/roots" </dev/null
}

# show_proof prints what the boot showed of each requirement.
show_proof() {
  /usr/bin/python3 - "$dir/$layout/report.json" <<'END'
import json, sys
for finding in json.load(open(sys.argv[1]))["findings"]:
    if finding["side"] == "boot":
        print("%-18s %-14s %s" % (finding["id"], finding["verdict"], (finding["evidence"] or [""])[0]))
END
}

main "$@"
