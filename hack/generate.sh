#!/bin/sh
# Makes what is generated from the code: the components' HCL specifications,
# the reference of their options, and the pages of .web-docs.
# Usage: hack/generate.sh, with packer-sdc in PATH. Run by "make generate".
set -eu

limit=300

main() {
  checkout=$(cd "$(dirname "$0")/.." && pwd)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # struct-markdown looks upwards for a folder named packer-plugin-* and never
  # ends without one; a checkout may have any name.
  ln -s "$checkout" "$work/packer-plugin-openstack-ready"
  cd "$work/packer-plugin-openstack-ready"
  rm -rf docs-partials
  timeout "$limit" go generate ./...
  timeout "$limit" packer-sdc renderdocs -src docs -partials docs-partials -dst "$work/docs"
  web_page "$work/docs/provisioners/openstack-ready.mdx" provisioner
  web_page "$work/docs/post-processors/openstack-ready.mdx" post-processor
  web_page "$work/docs/datasources/openstack-ready.mdx" data-source
  web_page "$work/docs/datasources/openstack-ready-image.mdx" data-source
}

# web_page writes a page of docs without its front matter and its title, which
# Packer's integrations page makes itself.
web_page() {
  page=.web-docs/components/$2/$(basename "$1" .mdx)/README.md
  mkdir -p "$(dirname "$page")"
  awk 'NR == 1 && /^---$/ { front = 1; next }
    front && /^---$/ { front = 0; next }
    front || (!titled && /^# /) { titled = titled || !front; next }
    started || NF { started = 1; print }' "$1" |
    sed 's#](\.\./\([a-z/-]*\)\.md#](../../../../docs/\1.md#g' >"$page"
}

main
