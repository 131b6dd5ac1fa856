# shellcheck shell=sh
# The parts of the clean-up that no requirement asks for. What the builder's
# own work put into a folder of logs or of temporary files is no change to tell of.

# tidy: the parts that the template wants.
tidy() {
  ID=template
  for t_part in $SET_CLEAN_UP; do
    say stage "clean up $t_part"
    "tidy_$(in_function_name "$t_part")"
  done
}

# tidy_logs: the running system holds most files open, so they are emptied;
# what was rotated goes. The journal is the machine's identity, not a log.
tidy_logs() {
  [ -d "$ROOT/var/log" ] || return 0
  find "$ROOT/var/log" -path "$ROOT/var/log/journal" -prune -o -type f ! -size 0 ! -name 'README*' -print >"$WORK/logs"
  while IFS= read -r tl_file; do
    case $tl_file in
    *.gz | *.xz | *.bz2 | *.zst | *.old | *.[0-9] | *.[0-9].log | *-20[0-9][0-9][0-9][0-9][0-9][0-9]) rm -f "$tl_file" ;;
    *) : >"$tl_file" ;;
    esac
  done <"$WORK/logs"
}

tidy_package_cache() {
  [ -z "$ROOT" ] || return 0
  family empty_package_cache
}

# tidy_temporary_files: all but sockets' folders, services' private ones and
# our own.
tidy_temporary_files() {
  for ttf_file in "$ROOT"/tmp/* "$ROOT"/tmp/.[!.]* "$ROOT"/var/tmp/* "$ROOT"/var/tmp/.[!.]*; do
    case $ttf_file in
    "$WORK" | */systemd-private-* | */tmp/.*-unix | */tmp/ssh-*) continue ;;
    esac
    if [ -e "$ttf_file" ] || [ -h "$ttf_file" ]; then
      remove "$(guest_path "$ttf_file")"
    fi
  done
}

# tidy_backups: of editors, and of password files, which hold old hashes.
tidy_backups() {
  for tb_name in passwd group subuid subgid; do
    remove "/etc/$tb_name-"
  done
  find "$ROOT/etc" "$ROOT/root" -xdev -type f \( -name '*~' -o -name '*.bak' \) >"$WORK/backups"
  while IFS= read -r tb_file; do
    remove "$(guest_path "$tb_file")"
  done <"$WORK/backups"
}

# tidy_spools: mail, and jobs of users for cron and at.
tidy_spools() {
  remove_matching '/var/mail/*' '/var/spool/mail/*' '/var/spool/cron/crontabs/*' '/var/spool/cron/tabs/*' \
    '/var/spool/cron/atjobs/[!.]*' '/var/spool/cron/atspool/[!.]*' '/var/spool/at/[!.]*'
}

tidy_registration() {
  give_registration_back
  with_registration remove_matching
  remove_matching /var/lib/zypp/AnonymousUniqueId
}

# with_registration COMMAND...: calls it with the patterns of the credentials by
# which a machine is known to those who sell its packages.
with_registration() {
  "$@" '/etc/pki/consumer/*' '/etc/pki/entitlement/*' /etc/sysconfig/rhn/systemid '/etc/zypp/credentials.d/*' \
    /var/lib/ubuntu-advantage/private/machine-token.json
}

# give_registration_back: each seat that is not given back is one that the next
# build has to do without.
give_registration_back() {
  [ -z "$ROOT" ] || return 0
  give_back '/etc/pki/consumer/cert.pem' subscription-manager unregister
  give_back '/etc/zypp/credentials.d/SCCcredentials' SUSEConnect --de-register
  give_back '/var/lib/ubuntu-advantage/private/machine-token.json' pro detach --assume-yes
}

# give_back MARK PROGRAM ARGUMENT...: runs the program where MARK says that the
# machine is registered.
give_back() {
  gb_mark=$1
  shift
  if [ ! -s "$gb_mark" ] || ! has_program "$1"; then
    return 0
  fi
  if "$@"; then
    change "gave the subscription back: $*"
  else
    change "could not give the subscription back: $*: $(tail -n 1 "$WORK/log")"
  fi
}

# tidy_management: what Puppet, Salt and Chef know this one machine by.
tidy_management() {
  remove_matching '/var/lib/puppet/ssl/*' '/etc/puppetlabs/puppet/ssl/*' /etc/salt/minion_id \
    '/etc/salt/pki/minion/*' /etc/chef/client.pem /etc/chef/chef_guid
}

# remove_matching PATTERN...: the patterns are expanded here, under ROOT.
remove_matching() {
  for rm_pattern in "$@"; do
    for rm_file in "$ROOT"$rm_pattern; do
      if [ -e "$rm_file" ] || [ -h "$rm_file" ]; then
        remove "$(guest_path "$rm_file")"
      fi
    done
  done
}

# write_out: unused blocks are given back where the disk can, so that the image
# does not carry them. busybox's fstrim does one file system at a time.
write_out() {
  [ -z "$ROOT" ] || return 0
  say stage 'write out'
  sync
  if has_program fstrim && { fstrim -av || fstrim -v /; }; then
    return 0
  fi
  echo 'the disk takes no trim' >&2
  if [ -n "$SET_ZERO_FREE_SPACE" ]; then
    zero_free_space
  fi
}

# zero_free_space: dd ends when the file system is full.
zero_free_space() {
  say stage 'zero free space'
  ZEROS=$(mktemp /.openstack-ready.XXXXXXXXXX)
  dd if=/dev/zero of="$ZEROS" bs=1048576 || sync
  rm -f "$ZEROS"
  sync
}
