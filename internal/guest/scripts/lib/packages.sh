# shellcheck shell=sh
# Packages by a name that is the same in every family; the family knows its own.

# family FUNCTION ARGUMENT...: calls the function of the guest's family.
family() {
  family_function=$1
  shift
  "${FAMILY}_$family_function" "$@"
}

# load_packages: reads the list of installed packages once for many questions.
load_packages() {
  PACKAGES=$NL$(family installed_packages)$NL
}

# installed PACKAGE: sets VERSION when the package is installed.
installed() {
  VERSION=
  case $PACKAGES in
  *"$NL$1 "*)
    VERSION=${PACKAGES#*"$NL$1 "}
    VERSION=${VERSION%%"$NL"*}
    ;;
  *) return 1 ;;
  esac
}

# need_package NAME: evidence whether it is installed; if not, it joins the
# plan. A family can have no package of that name, or several.
need_package() {
  for np_package in $(family package "$1"); do
    if installed "$np_package"; then
      met "package $np_package $VERSION is installed"
    else
      unmet "package $np_package is not installed"
      echo "$ID $np_package" >>"$WORK/wanted"
    fi
  done
}

# install_wanted: installs the plan in one call, and one by one where that
# fails, so that one package the guest's mirrors lack does not cost the others.
# Descriptor 3 stays closed to what a package may start, which else would keep
# the host waiting for the end of the output.
install_wanted() {
  plan_template_packages
  [ -s "$WORK/wanted" ] || return 0
  if [ -n "$SET_OFFLINE" ]; then
    while read -r ID iw_package; do
      trouble "$iw_package was not installed, as install = false asks for"
    done <"$WORK/wanted"
    return 0
  fi
  [ -z "$ROOT" ] || return 0
  say stage "install $(awk '!seen[$2]++ { printf "%s%s", sep, $2; sep = " " }' "$WORK/wanted")"
  awk '!seen[$2]++' "$WORK/wanted" >"$WORK/plan"
  # shellcheck disable=SC2046 # package names are words
  if ! family install $(cut -d ' ' -f 2 "$WORK/plan") 3>&-; then
    install_one_by_one
  fi
  forget_initramfs_names
  load_packages
  while read -r ID iw_package; do
    if installed "$iw_package"; then
      change "installed $iw_package $VERSION"
    elif [ "$ID" = template ]; then
      give_up "the package $iw_package, which the template asks for, could not be installed: $(grep -E "$(family complaint)" "$WORK/log" | tail -n 1)"
    fi
  done <"$WORK/plan"
}

# plan_template_packages: those that the template names.
plan_template_packages() {
  for ptp_package in $SET_PACKAGES; do
    if ! installed "$ptp_package"; then
      echo "template $ptp_package" >>"$WORK/wanted"
    fi
  done
}

# install_one_by_one: what fails is told to every requirement that wants it.
install_one_by_one() {
  while read -r ID iobo_package; do
    if family install "$iobo_package" 3>&-; then
      continue
    fi
    iobo_reason=$(grep -E "$(family complaint)" "$WORK/log" | tail -n 1)
    while read -r ID iobo_wanted; do
      if [ "$iobo_wanted" = "$iobo_package" ]; then
        trouble "$iobo_package could not be installed: $iobo_reason"
      fi
    done <"$WORK/wanted"
  done <"$WORK/plan"
}
