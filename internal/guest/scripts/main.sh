# shellcheck shell=sh
# The way through the program: probe, look, mend, look again, and last the
# clean-up, so that the connection of the build survives to the end.

# main MODE WORK LOGIN [SKIPPED-ID...]: MODE is mend or check; WORK is the
# folder that holds this program, and goes with it; LOGIN is the account that
# the build logged in with. With ROOT set, a tree of files is worked on in place
# of the running system, and nothing but files is changed.
main() {
  MODE=$1
  WORK=$2
  LOGIN=$3
  shift 3
  SKIP=$*
  ROOT=${ROOT:-}
  exec 3>&1 >>"$WORK/log" 2>&1 </dev/null
  export LC_ALL=C TMPDIR="$WORK"
  if [ -z "$ROOT" ]; then
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin
  fi
  umask 022
  trap finish EXIT
  trap 'give_up "the program was told to stop, by its time limit or a lost connection"' HUP INT PIPE TERM
  OUTCOME='the program stopped before its end'
  probe
  take_turn
  if [ "$MODE" = check ]; then
    check
  else
    mend
  fi
  OUTCOME=
}

# finish: the last lines, whatever happened; nobody may be there to hear them.
finish() {
  trap '' HUP INT PIPE TERM
  say_end || echo 'the end of this run was not heard' >&2
  rm -rf "$WORK" ${ZEROS:+"$ZEROS"}
  leave_turn
}

say_end() {
  if [ -n "$SET_WHOLE_LOG" ]; then
    say_log 5000
  elif [ -n "$OUTCOME" ]; then
    say_log 40
  fi
  if [ -z "$OUTCOME" ]; then
    say end ok
  else
    say end failed "$OUTCOME"
  fi
}

# say_log COUNT: the last lines of what programs printed.
say_log() {
  tail -n "$1" "$WORK/log" | while IFS= read -r sl_line; do
    say log "$sl_line"
  done
}

# give_up REASON
give_up() {
  OUTCOME=$1
  exit 1
}

# TURN names the run that is at work: its process and its folder.
TURN=/var/run/openstack-ready

# take_turn: a run whose connection was lost goes on until it next has something
# to say, which can be after the package manager. It is told to stop, and waited for.
take_turn() {
  [ -z "$ROOT" ] || return 0
  tt_left=300
  while other_run; do
    : >"$tt_folder/stop"
    if [ "$tt_left" -eq 0 ]; then
      give_up "an earlier run of this program is still at work in the guest, as process $tt_process: end it, or wait for it, and build again"
    fi
    tt_left=$((tt_left - 1))
    sleep 1
  done
  echo "$$ $WORK" >"$TURN"
}

# other_run: whether there is one, in tt_process and tt_folder. One that was
# killed leaves its folder.
other_run() {
  if ! [ -s "$TURN" ] || ! read -r tt_process tt_folder <"$TURN"; then
    return 1
  fi
  if [ -d "$tt_folder" ] && tr '\000' ' ' <"/proc/$tt_process/cmdline" | grep -qF " $tt_folder "; then
    return 0
  fi
  rm -rf "$tt_folder"
  return 1
}

leave_turn() {
  if [ -z "$ROOT" ] && grep -qs "^$$ " "$TURN"; then
    rm "$TURN"
  fi
}

check() {
  load_packages
  look_at before "$READY $CLEANUP"
}

mend() {
  if [ -z "$ROOT" ]; then
    wait_for_cloud_init
  fi
  load_packages
  look_at before "$READY $CLEANUP"
  guard_cloud_init
  install_wanted
  unguard_cloud_init
  choose_initialisation
  mend_each "$FAILED" "$READY"
  rebuild_marked
  look_at after "$READY"
  mend_each "$CLEANUP" "$CLEANUP"
  tidy
  look_at after "$CLEANUP"
  write_out
}

# probe: what kind of guest this is; gives up where it is none that is known.
probe() {
  say stage probe
  SYSTEM=$(uname -s)
  ARCH=${ARCH:-$(uname -m)}
  say probe uname "$SYSTEM"
  say probe arch "$ARCH"
  say probe kernel "$(uname -r)"
  say probe login "$LOGIN"
  [ "$SYSTEM" = Linux ] || give_up "the guest runs $SYSTEM; only Linux is known"
  read_os_release
  say probe id "$OS_ID"
  say probe version_id "$OS_VERSION"
  say probe name "$OS_NAME"
  find_family
  say probe family "$FAMILY"
  [ -n "$FAMILY" ] || give_up "the guest is $OS_NAME (ID=$OS_ID, ID_LIKE=$OS_LIKE); known are the families: $FAMILIES"
  find_init
  say probe init "$INIT"
  [ -n "$INIT" ] || give_up "the guest is $OS_NAME, whose init is none of: $INITS"
  if [ "$MODE" = mend ]; then
    refuse_read_only
    refuse_full
  fi
  find_initramfs
  say probe initramfs "$INITRAMFS"
  find_loaders
  say probe loaders "$BOOT_LOADERS"
  if [ -z "$ROOT" ] && [ "$(id -u)" != 0 ]; then
    give_up "$LOGIN is not root and execute_command did not make it so: log in as root, give $LOGIN passwordless sudo, or set execute_command"
  fi
}

# refuse_read_only: where nothing could be mended for good.
refuse_read_only() {
  if read_only /; then
    give_up "the root file system is read-only, as on systems that are updated as a whole (transactional-update, ostree): make $OS_NAME ready where its image is composed, or mount / writable before this provisioner"
  fi
  for rro_path in /usr /etc /var /boot; do
    if read_only "$rro_path"; then
      give_up "$rro_path is mounted read-only: mount it writable before this provisioner, with: mount -o remount,rw $rro_path"
    fi
  done
}

# refuse_full: a file that is edited where there is no room would be lost. This
# program's own lists are long where an initramfs is large.
refuse_full() {
  [ -z "$ROOT" ] || return 0
  for rf_path in "$WORK" /etc /var /boot; do
    case $rf_path in
    "$WORK") rf_need=8192 ;;
    *) rf_need=1024 ;;
    esac
    rf_free=$(df -P -k "$rf_path" | awk 'NR == 2 { print $4 }')
    if [ "${rf_free:-$rf_need}" -lt "$rf_need" ]; then
      give_up "only $rf_free KiB are free in the file system of $rf_path, and this program needs $rf_need KiB there: make room before this provisioner"
    fi
  done
}

# read_os_release: os-release(5).
read_os_release() {
  OS_ID='' OS_LIKE='' OS_VERSION='' OS_NAME='a system without /etc/os-release'
  for ror_file in /etc/os-release /usr/lib/os-release; do
    if [ -r "$ROOT$ror_file" ]; then
      read_release_file "$ROOT$ror_file"
      return 0
    fi
  done
  read_older_release
}

# read_older_release: EL 6 came before os-release(5).
read_older_release() {
  for ror_file in /etc/oracle-release /etc/redhat-release; do
    if [ -r "$ROOT$ror_file" ]; then
      read -r OS_NAME <"$ROOT$ror_file"
      OS_VERSION=$(printf '%s\n' "$OS_NAME" | sed -n 's/.* release \([0-9][0-9.]*\).*/\1/p')
      break
    fi
  done
  case $OS_NAME in
  'Oracle Linux'*) OS_ID=ol OS_LIKE=rhel ;;
  'CentOS'*) OS_ID=centos OS_LIKE=rhel ;;
  *' release '*) OS_ID=rhel ;;
  esac
}

read_release_file() {
  while IFS='=' read -r rrf_key rrf_value; do
    rrf_value=${rrf_value#[\"\']}
    rrf_value=${rrf_value%[\"\']}
    case $rrf_key in
    ID) OS_ID=$rrf_value ;;
    ID_LIKE) OS_LIKE=$rrf_value ;;
    VERSION_ID) OS_VERSION=$rrf_value ;;
    PRETTY_NAME) OS_NAME=$rrf_value ;;
    esac
  done <"$1"
}

find_family() {
  for FAMILY in $FAMILIES; do
    if family recognise "$OS_ID" "$OS_LIKE"; then
      return 0
    fi
  done
  FAMILY=
}

# look_at PHASE IDS: looks at each that is not skipped, in a process of its
# own; FAILED are those that are not met.
look_at() {
  FAILED=
  say stage "look $1"
  for ID in $2; do
    if in_words "$ID" "$SKIP"; then
      continue
    fi
    MET='' UNMET='' UNKNOWN='' INAPPLICABLE='' NOTES='' REMEDY=''
    set +e
    (
      set -e
      "look_$(in_function_name "$ID")"
      say_finding "$1"
      case $VERDICT in
      unmet | unknown) exit 10 ;;
      esac
    )
    la_status=$?
    set -e
    case $la_status in
    0) continue ;;
    10) ;;
    *)
      unknown "the look stopped with status $la_status: $(tail -n 1 "$WORK/log")"
      say_finding "$1"
      ;;
    esac
    FAILED="$FAILED $ID"
  done
}

# mend_each IDS AMONG: mends each of IDS that is among the others and not
# skipped, in a process of its own. A mend that has nothing to do changes
# nothing.
mend_each() {
  for ID in $1; do
    if ! in_words "$ID" "$2" || in_words "$ID" "$SKIP"; then
      continue
    fi
    if [ -e "$WORK/stop" ]; then
      give_up 'the build was cancelled'
    fi
    say stage "mend $ID"
    set +e
    (
      set -e
      "mend_$(in_function_name "$ID")"
    )
    me_status=$?
    set -e
    if [ "$me_status" -ne 0 ]; then
      trouble "mending stopped with status $me_status: $(tail -n 1 "$WORK/log")"
    fi
  done
}

in_function_name() {
  printf '%s\n' "$1" | tr - _
}
