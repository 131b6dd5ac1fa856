#!/bin/sh
# Makes a release of the last commit as goreleaser would for a tag, signed by a
# key of its own, and publishes nothing. Run by "make snapshot".
# Usage: hack/snapshot.sh, with goreleaser in PATH. The release is in
# .build/release then, with the public key in release.key.
set -eu

main() {
  cd "$(dirname "$0")/.."
  checkout=$PWD
  release=$checkout/.build/release
  work=$(mktemp -d)
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  copy_commit
  make_key
  make_release
  rm -rf "$release"
  mkdir -p "$checkout/.build"
  mv "$work/repository/dist" "$release"
  gpg --armor --export >"$release/release.key"
  echo "Release $tag is in .build/release"
}

# copy_commit makes a repository of the commit alone: a release is of what is
# committed, and goreleaser wants a tag on it and a remote that it can name.
copy_commit() {
  git clone --quiet --no-tags . "$work/repository"
  cd "$work/repository"
  git remote set-url origin https://github.com/openstack-ready/packer-plugin-openstack-ready.git
  tag=v$(sed -n 's/^[[:space:]]*Version = "\(.*\)"$/\1/p' version/version.go)
  git tag "$tag"
}

make_key() {
  GNUPGHOME=$work/gnupg
  export GNUPGHOME
  mkdir -m 700 "$GNUPGHOME"
  gpg --batch --quiet --passphrase '' --quick-gen-key 'Trial of a release' ed25519 sign 1d
  GPG_FINGERPRINT=$(gpg --with-colons --list-keys | sed -n 's/^fpr:*\([0-9A-F]*\):$/\1/p')
  export GPG_FINGERPRINT
}

make_release() {
  API_VERSION=$(go run . describe | sed -n 's/.*"api_version":"\([^"]*\)".*/\1/p')
  export API_VERSION
  goreleaser check --quiet
  goreleaser release --clean --skip publish --parallelism 2
}

clean_up() {
  GNUPGHOME=$work/gnupg gpgconf --kill all
  rm -rf "$work"
}

main
