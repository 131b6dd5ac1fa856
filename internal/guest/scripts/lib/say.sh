# shellcheck shell=sh
# What the program tells the host: one line a fact, on file descriptor 3.

TAB=$(printf '\t')
NL='
'

# say KIND FIELD...
say() {
  say_line=$1
  shift
  for say_field in "$@"; do
    case $say_field in
    *[\\[:cntrl:]]*) say_field=$(escape "$say_field") ;;
    esac
    say_line=$say_line$TAB$say_field
  done
  printf 'openstack-ready/1 %.4000s\n' "$say_line" >&3
}

escape() {
  printf '%.1000s' "$1" |
    sed -e 's/\\/\\\\/g' -e "s/$TAB/\\\\t/g" |
    awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }' |
    tr -d '\000-\037\177'
}

# change TEXT: something in the guest was changed, for the requirement in ID.
change() {
  say change "$ID" "$1"
}

# A look says any number of the following; the worst of them is the verdict.
met() { MET=$MET$1$NL; }

# otherwise_met TEXT: met, if nothing of this look said otherwise.
otherwise_met() {
  if [ -z "$UNMET$UNKNOWN" ]; then
    met "$1"
  fi
}

inapplicable() { INAPPLICABLE=$INAPPLICABLE$1$NL; }

# unmet TEXT [REMEDY]
unmet() {
  UNMET=$UNMET$1$NL
  REMEDY=${2:-$REMEDY}
}

# unknown TEXT [REMEDY]
unknown() {
  UNKNOWN=$UNKNOWN$1$NL
  REMEDY=${2:-$REMEDY}
}

# note TEXT: worth knowing, but it decides nothing.
note() { NOTES=$NOTES$1$NL; }

# trouble TEXT: why mending did not manage; told if the requirement stays unmet.
trouble() {
  printf '%s\n' "$1" >>"$WORK/trouble.$ID"
}

# say_finding PHASE: tells the finding, whose verdict is then in VERDICT.
say_finding() {
  [ -n "$UNMET$UNKNOWN$MET$INAPPLICABLE" ] || UNKNOWN="the look found nothing to say$NL"
  if [ -n "$UNMET" ]; then
    VERDICT=unmet
  elif [ -n "$UNKNOWN" ]; then
    VERDICT=unknown
  elif [ -n "$MET" ]; then
    VERDICT=met
  else
    VERDICT=not-applicable
  fi
  say "$1" "$ID" "$VERDICT"
  printf '%s' "$UNMET$UNKNOWN$MET$INAPPLICABLE$NOTES" | sed 40q | say_each evidence
  case $VERDICT in
  met | not-applicable) return 0 ;;
  esac
  if [ -s "$WORK/trouble.$ID" ]; then
    sed 10q "$WORK/trouble.$ID" | say_each evidence
  fi
  if [ -n "$REMEDY" ]; then
    say remedy "$ID" "$REMEDY"
  fi
}

# say_each KIND: tells each line of standard input about the requirement in ID.
say_each() {
  while IFS= read -r se_text; do
    say "$1" "$ID" "$se_text"
  done
}
