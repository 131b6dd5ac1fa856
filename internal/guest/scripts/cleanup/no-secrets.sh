# shellcheck shell=sh
# no-secrets: no key, password, history, credential or log of the builder. The
# very last, as it takes away the key that the build logged in with.

look_no_secrets() {
  list_secrets >"$WORK/secrets"
  while IFS=$TAB read -r ns_kind ns_account ns_path; do
    if [ "$ns_kind" = 'authorized key' ]; then
      tell_keys "$ns_account" "$ns_path"
    elif [ "$ns_account" = - ]; then
      unmet "$ns_kind: $ns_path"
    else
      unmet "$ns_kind of $ns_account: $ns_path"
    fi
  done <"$WORK/secrets"
  look_passwords
  look_build_user
  otherwise_met 'no authorized key, usable password, private key, shell history, credential or build log'
}

# list_secrets: a line "KIND<TAB>ACCOUNT<TAB>PATH" for each file to remove.
list_secrets() {
  ls_ifs=$IFS
  IFS=
  while IFS=: read -r ls_account _ _ _ _ ls_home _; do
    case $ls_home/ in
    / | // | /nonexistent/ | /bin/* | /sbin/* | /usr/* | /dev/* | /proc/* | /sys/* | /run/* | /etc/*) ;;
    *) list_home_secrets "$ls_account" "$ls_home" ;;
    esac
  done <"$ROOT/etc/passwd"
  list_secret 'cloud credential' - '/etc/openstack/clouds.yaml' '/etc/openstack/secure.yaml'
  with_registration list_secret 'subscription credential' -
  list_secret 'password backup' - '/etc/shadow-' '/etc/gshadow-'
  list_secret 'build log' - '/var/log/installer' '/var/log/cloud-init.log*' '/var/log/cloud-init-output.log*' \
    '/var/log/apt/*.log*' '/var/log/apt/eipp.log*' '/var/log/dpkg.log*' '/var/log/bootstrap.log' \
    '/var/log/alternatives.log*' '/var/log/unattended-upgrades/*' '/root/*-ks.cfg' \
    '/root/install.log*' '/var/log/anaconda' '/var/log/anaconda.*' '/var/log/dnf*.log*' '/var/log/hawkey.log*' \
    '/var/log/yum.log*' '/var/log/YaST2' '/root/preseed*.cfg' '/var/lib/preseed'
  IFS=$ls_ifs
}

# list_home_secrets ACCOUNT HOME
list_home_secrets() {
  [ -d "$ROOT$2" ] || return 0
  list_secret 'authorized key' "$1" "$2/.ssh/authorized_keys" "$2/.ssh/authorized_keys2"
  list_secret 'shell history' "$1" "$2/.bash_history" "$2/.zsh_history" "$2/.zhistory" "$2/.ash_history" \
    "$2/.sh_history" "$2/.python_history" "$2/.lesshst" "$2/.viminfo" "$2/.wget-hsts"
  list_secret 'credential' "$1" "$2/.config/openstack/clouds.yaml" "$2/.config/openstack/secure.yaml" \
    "$2/.aws/credentials" "$2/.netrc" "$2/.git-credentials" \
    "$2/.docker/config.json" "$2/.kube/config" "$2/.vault-token" "$2/.config/gcloud" "$2/.azure"
  for lhs_file in "$ROOT$2"/openrc* "$ROOT$2"/*-openrc*; do
    if [ -f "$lhs_file" ] && grep -Eqs '^[[:space:]]*(export[[:space:]]+)?OS_[A-Z_]+=' "$lhs_file"; then
      list_secret 'credential' "$1" "${lhs_file#"$ROOT"}"
    fi
  done
  for lhs_file in "$ROOT$2"/.ssh/*; do
    if [ -f "$lhs_file" ] && grep -qs 'PRIVATE KEY-----' "$lhs_file"; then
      printf 'private key\t%s\t%s\n' "$1" "$(guest_path "$lhs_file")"
      list_secret 'public key' "$1" "${lhs_file#"$ROOT"}.pub"
    fi
  done
}

# list_secret KIND ACCOUNT PATTERN...: an empty file is no secret. The patterns
# are expanded here, under ROOT.
list_secret() {
  ls_kind=$1
  ls_owner=$2
  shift 2
  for ls_pattern in "$@"; do
    for ls_file in "$ROOT"$ls_pattern; do
      if [ -s "$ls_file" ] || [ -h "$ls_file" ]; then
        printf '%s\t%s\t%s\n' "$ls_kind" "$ls_owner" "$(guest_path "$ls_file")"
      fi
    done
  done
}

# tell_keys ACCOUNT FILE: each key by size, fingerprint, comment and type.
tell_keys() {
  if has_program ssh-keygen && ssh-keygen -lf "$ROOT$2" >"$WORK/keys" 2>/dev/null; then
    while IFS= read -r tk_key; do
      unmet "authorized key of $1: $tk_key"
    done <"$WORK/keys"
  else
    unmet "authorized keys of $1: $2 is not empty"
  fi
}

look_passwords() {
  usable_passwords >"$WORK/passwords"
  while read -r lp_account lp_kind; do
    if [ -n "$SET_KEEP_PASSWORDS" ]; then
      note "account $lp_account has $lp_kind, which lock_passwords = false leaves"
    else
      unmet "account $lp_account has $lp_kind"
    fi
  done <"$WORK/passwords"
}

# usable_passwords: shadow(5); "!" and "*" begin what no password can match.
usable_passwords() {
  awk -F: '
    $2 == "" { print $1, "no password at all" }
    $2 != "" && $2 !~ /^[!*]/ { print $1, "a usable password" }
  ' "$ROOT/etc/shadow"
}

# look_build_user: the account that the build logged in with stays.
look_build_user() {
  [ "$LOGIN" != root ] || return 0
  note "the account $LOGIN, with which the build logged in, stays in the image"
  for lbu_file in "$ROOT"/etc/sudoers "$ROOT"/etc/sudoers.d/*; do
    if grep -Eqs "^[[:space:]]*${LOGIN}[[:space:]]" "$lbu_file"; then
      note "$(guest_path "$lbu_file") gives $LOGIN rights"
    fi
  done
}

mend_no_secrets() {
  if [ -z "$SET_KEEP_PASSWORDS" ]; then
    lock_passwords
  fi
  give_registration_back
  list_secrets >"$WORK/secrets"
  while IFS=$TAB read -r ns_kind ns_account ns_path; do
    remove "$ns_path"
  done <"$WORK/secrets"
}

lock_passwords() {
  usable_passwords >"$WORK/passwords"
  while read -r lp_account lp_kind; do
    lock_password "$lp_account"
  done <"$WORK/passwords"
}

# lock_password ACCOUNT: the hash goes, so that nobody can guess at it. The
# shutdown command of the template still needs the sudo password of the login
# account where there is one.
lock_password() {
  [ -z "$ROOT" ] || return 0
  if [ "$1" = "$LOGIN" ] && [ "$LOGIN" != root ] &&
    ! su -s /bin/sh -c 'if command -v sudo; then sudo -k -n true; else doas -n true; fi' "$LOGIN"; then
    trouble "the password of $LOGIN was left, since sudo or doas asks for it and the build's shutdown command may need it: give $LOGIN a rule without password"
    return 0
  fi
  forget_password "$1"
  change "locked the password of $1"
}

# forget_password ACCOUNT: busybox has no usermod. Without PAM, sshd refuses the
# keys of an account whose password begins with "!", but not with "*".
forget_password() {
  if has_program usermod; then
    usermod -p '*' "$1"
    return
  fi
  awk -F: -v OFS=: -v account="$1" '$1 == account { $2 = "*" } { print }' /etc/shadow >"$WORK/shadow"
  cat "$WORK/shadow" >/etc/shadow
}
