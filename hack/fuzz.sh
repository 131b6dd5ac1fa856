#!/bin/sh
# Runs every fuzz target for some time, one after another, and prints a tally.
# Usage: hack/fuzz.sh [TIME] (default 60s, as "go test -fuzztime" takes it). Run
# by "make fuzz". It fails when a target finds something, which Go leaves in the
# package's testdata/fuzz.
set -eu

time=${1:-60s}

main() {
  cd "$(dirname "$0")/.."
  work=$(mktemp -d)
  cache=$PWD/.build/fuzz
  trap 'rm -rf "$work"' EXIT
  targets >"$work/targets"
  failed=0 executions=0 began=$(date +%s)
  while read -r package target; do
    if ! fuzz "$package" "$target"; then
      failed=$((failed + 1))
    fi
    executions=$((executions + ${runs:-0}))
  done <"$work/targets"
  echo "fuzz: $(wc -l <"$work/targets") targets for $time each, $executions executions, $failed findings, $(($(date +%s) - began)) s"
  [ "$failed" -eq 0 ]
}

# targets: a line "PACKAGE TARGET" each.
targets() {
  git ls-files '*_test.go' | while read -r file; do
    sed -n "s#^func \(Fuzz[A-Za-z0-9]*\)(.*#./$(dirname "$file") \1#p" "$file"
  done
}

# fuzz PACKAGE TARGET: each package is built once. Go would spend minutes to
# make an interesting input smaller, which is bounded here.
fuzz() {
  binary=$work/$(printf '%s' "$1" | tr / -).test
  [ -x "$binary" ] || go test -c -fuzz . -o "$binary" "$1"
  status=0
  (
    cd "$1"
    "$binary" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$time" -test.fuzzminimizetime 10x \
      -test.fuzzcachedir "$cache/$1/$2" </dev/null >"$work/log" 2>&1
  ) || status=$?
  runs=$(sed -n 's/.*execs: \([0-9]*\) .*/\1/p' "$work/log" | tail -n 1)
  if [ "$status" -eq 0 ] || only_late; then
    printf '%-34s %-20s %12s runs\n' "$1" "$2" "${runs:-no}"
    return 0
  fi
  printf '%-34s %-20s FAILED\n' "$1" "$2"
  cat "$work/log"
  return 1
}

# only_late: Go calls it a failure when its time is over while a worker is busy.
# A real finding has an input, which Go writes down.
only_late() {
  grep -q '^    context deadline exceeded$' "$work/log" && ! grep -q 'Failing input written' "$work/log"
}

main
