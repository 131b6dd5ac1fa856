#!/bin/sh
# Two real clouds, each a Keystone and a Glance, on loopback and wholly inside
# one folder.
#
#   hack/cloud.sh start DIR    set up what is missing, start what is down
#   hack/cloud.sh stop DIR     stop what start started
#   hack/cloud.sh status DIR   exit 0 when all servers answer
#   hack/cloud.sh env DIR      print the exports that point clients at it
#
# DIR/clouds.yaml then knows the clouds demo (admin), demo-member (an ordinary
# member of the same project), demo-importer (another one, whom a policy forbids
# to send data otherwise than by import) and demo-guest (of another project), each
# with the regions RegionOne, SmallQuota (a second Glance whose users may store
# CLOUD_SMALL_QUOTA) and Closed (nothing listens), and second, second-member and
# second-guest: a Keystone and a Glance of their own, RegionOne.
#
# Each Glance has the stores fast (the default) and cold, and imports by
# glance-direct, web-download (from loopback) and copy-image.
#
# CLOUD_LIFETIME     seconds after which the servers end by themselves [7200]
# CLOUD_DEADLINE     seconds that a server may take to answer [120]
# CLOUD_SMALL_QUOTA  user_storage_quota of the region SmallQuota [8MB]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
host=127.0.0.1
# Debian's own interpreter: the packages are invisible to any other.
python=/usr/bin/python3
lifetime=${CLOUD_LIFETIME:-7200}
deadline=${CLOUD_DEADLINE:-120}
servers="glance2 small glance keystone2 keystone"

main() {
  case ${1-} in
  start | stop | status | env) ;;
  *) usage ;;
  esac
  [ $# -eq 2 ] || usage
  case $1 in
  start) mkdir -p "$2" ;;
  *) [ -d "$2" ] || die "$2: no such folder; start a cloud there first" ;;
  esac
  dir=$(cd "$2" && pwd)
  "cloud_$1"
}

usage() {
  sed -n '2,/^set/{/^#/{s/^# \{0,1\}//;p;};}' "$0" >&2
  exit 2
}

cloud_start() {
  require_packages
  umask 077
  mkdir -p "$dir/etc" "$dir/log" "$dir/run"
  # Two starts at once must not share out the same ports.
  exec 9>"$dir/run/lock"
  flock 9
  if all_answer && will_last; then
    echo "cloud in $dir is running: $(urls)"
    return
  fi
  cloud_stop
  echo "$(($(date +%s) + lifetime))" >"$dir/run/until"
  choose_ports
  configure
  start_keystone keystone "$keystone_port"
  start_keystone keystone2 "$keystone2_port"
  start_glance glance
  start_glance small
  start_glance glance2
  wait_for keystone "$(url "$keystone_port")/v3"
  # Nobody but root can make port 1 answer: a Glance that is down.
  seed "$keystone_port" "RegionOne=$(url "$glance_port")" "SmallQuota=$(url "$small_port")" "Closed=$(url 1)"
  wait_for keystone2 "$(url "$keystone2_port")/v3"
  seed "$keystone2_port" "RegionOne=$(url "$glance2_port")"
  wait_for glance "$(url "$glance_port")/"
  wait_for small "$(url "$small_port")/"
  wait_for glance2 "$(url "$glance2_port")/"
  write_clouds_yaml
  echo "cloud in $dir is running: $(urls)"
}

cloud_stop() {
  for name in $servers; do
    stop_server "$name"
  done
}

cloud_status() {
  if all_answer; then
    echo "cloud in $dir is running: $(urls)"
  else
    echo "cloud in $dir is not running"
    return 1
  fi
}

cloud_env() {
  [ -f "$dir/clouds.yaml" ] || die "$dir/clouds.yaml: no such file; run: $0 start $dir"
  echo "export OS_CLIENT_CONFIG_FILE='$dir/clouds.yaml'"
  echo "export OS_CLOUD=demo"
}

# will_last tells whether the servers live for another quarter of a lifetime, so
# that none ends in the middle of what it is started for.
will_last() {
  [ -f "$dir/run/until" ] && [ "$(cat "$dir/run/until")" -gt $(($(date +%s) + lifetime / 4)) ]
}

require_packages() {
  missing=
  while read -r package; do
    case $package in
    '' | '#'*) continue ;;
    esac
    state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) || state=absent
    [ "$state" = "install ok installed" ] || missing="$missing $package"
  done <"$here/packages/cloud.txt"
  [ -z "$missing" ] || die "missing Debian packages:$missing; install them with: apt-get install --no-install-recommends$missing"
}

# choose_ports keeps the ports of the last start, so that endpoints stay true,
# unless something else listens there now.
choose_ports() {
  if [ -f "$dir/run/ports" ] && load_ports; then
    "$python" "$here/cloud_ports.py" free "$keystone_port" "$keystone2_port" "$glance_port" "$small_port" "$glance2_port" && return
  fi
  "$python" "$here/cloud_ports.py" pick keystone_port keystone2_port glance_port small_port glance2_port >"$dir/run/ports"
  load_ports
}

# load_ports succeeds when the file names every server's port.
load_ports() {
  keystone_port='' keystone2_port='' glance_port='' small_port='' glance2_port=''
  # shellcheck source=/dev/null
  . "$dir/run/ports"
  [ -n "$keystone_port" ] && [ -n "$keystone2_port" ] && [ -n "$glance_port" ] && [ -n "$small_port" ] && [ -n "$glance2_port" ]
}

url() { echo "http://$host:$1"; }
urls() {
  echo "Keystone $(url "$keystone_port")/v3, Glance $(url "$glance_port") and $(url "$small_port"), second Keystone $(url "$keystone2_port")/v3, Glance $(url "$glance2_port")"
}

configure() {
  [ -s "$dir/etc/password" ] || od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$dir/etc/password"
  password=$(cat "$dir/etc/password")
  write_paste_ini
  write_policy
  # The first cloud caches no token, so that a revoked one is refused at once;
  # the second does, which makes it several times as fast.
  write_glance_conf glance "$glance_port" "$keystone_port" 0 -1
  write_glance_conf small "$small_port" "$keystone_port" "${CLOUD_SMALL_QUOTA:-8MB}" -1
  write_glance_conf glance2 "$glance2_port" "$keystone2_port" 0 300
  # Half of the first start is spent in these, which know nothing of each other.
  configure_keystone keystone "$keystone_port" &
  first=$!
  configure_keystone keystone2 "$keystone2_port" &
  second=$!
  for name in glance small glance2; do
    make_once "$name.db" glance_manage "$name"
  done
  wait "$first"
  wait "$second"
}

# configure_keystone NAME PORT
configure_keystone() {
  write_keystone_conf "$1"
  make_once "$1.db" keystone_manage "$1" db_sync
  [ -f "$dir/$1/fernet/0" ] || keystone_manage "$1" fernet_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
  OS_BOOTSTRAP_PASSWORD=$password keystone_manage "$1" bootstrap \
    --bootstrap-region-id RegionOne \
    --bootstrap-public-url "$(url "$2")/v3" \
    --bootstrap-internal-url "$(url "$2")/v3" \
    --bootstrap-admin-url "$(url "$2")/v3"
}

# seed KEYSTONE_PORT REGION=GLANCE_URL...
seed() {
  keystone_v3=$(url "$1")/v3
  shift
  OS_PASSWORD=$password "$python" "$here/cloud_seed.py" "$keystone_v3" "$@"
}

# make_once DATABASE COMMAND... makes a database unless it was made whole before.
make_once() {
  database=$dir/$1
  shift
  [ -f "$database.made" ] && return
  rm -f "$database"
  "$@"
  # Readers must not keep a writer out, even within one process.
  "$python" -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("PRAGMA journal_mode=WAL")' "$database"
  : >"$database.made"
}

# keystone_manage NAME ARGUMENTS...
keystone_manage() {
  keystone=$1
  shift
  mkdir -p "$dir/$keystone/fernet" "$dir/$keystone/credential"
  logged "$keystone-manage" /usr/bin/keystone-manage --config-file "$dir/etc/$keystone.conf" "$@"
}

glance_manage() {
  logged "$1-manage" "$python" -m glance.cmd.manage --config-file "$dir/etc/$1.conf" db_sync
}

logged() {
  log=$dir/log/$1.log
  shift
  "$@" >>"$log" 2>&1 && return
  tail -n 20 "$log" >&2
  die "$*: did not succeed; its log is $log"
}

# write_keystone_conf NAME
write_keystone_conf() {
  cat >"$dir/etc/$1.conf" <<CONF
[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///$dir/$1.db
sqlite_synchronous = false
[token]
provider = fernet
[fernet_tokens]
key_repository = $dir/$1/fernet
[fernet_receipts]
key_repository = $dir/$1/fernet
[credential]
key_repository = $dir/$1/credential
[identity]
# The cheapest that bcrypt allows: these users guard nothing.
password_hash_rounds = 4
CONF
}

# write_glance_conf NAME PORT KEYSTONE_PORT USER_STORAGE_QUOTA TOKEN_CACHE_SECONDS
write_glance_conf() {
  mkdir -p "$dir/$1/fast" "$dir/$1/cold" "$dir/$1/staging" "$dir/$1/tasks"
  cat >"$dir/etc/$1.conf" <<CONF
[DEFAULT]
bind_host = $host
bind_port = $2
workers = 1
use_stderr = true
enabled_backends = fast:file, cold:file
enabled_import_methods = [glance-direct, web-download, copy-image]
worker_self_reference_url = $(url "$2")
node_staging_uri = file://$dir/$1/staging
user_storage_quota = $4
[database]
connection = sqlite:///$dir/$1.db
sqlite_synchronous = false
[glance_store]
default_backend = fast
[fast]
filesystem_store_datadir = $dir/$1/fast
[cold]
filesystem_store_datadir = $dir/$1/cold
[os_glance_staging_store]
filesystem_store_datadir = $dir/$1/staging
[os_glance_tasks_store]
filesystem_store_datadir = $dir/$1/tasks
[import_filtering_opts]
# By default web-download takes from ports 80 and 443 only, and never from loopback.
allowed_ports = []
allowed_hosts = [$host]
[oslo_concurrency]
lock_path = $dir/run
[oslo_policy]
policy_file = $dir/etc/policy.yaml
[paste_deploy]
flavor = keystone
config_file = $dir/etc/paste.ini
[keystone_authtoken]
www_authenticate_uri = $(url "$3")/v3
auth_url = $(url "$3")/v3
auth_type = password
username = glance
password = $password
user_domain_id = default
project_name = service
project_domain_id = default
region_name = RegionOne
token_cache_time = $5
CONF
}

# write_policy is Glance's default but for the role importer.
write_policy() {
  cat >"$dir/etc/policy.yaml" <<'CONF'
upload_image: "not role:importer and (role:admin or (role:member and project_id:%(project_id)s))"
CONF
}

# write_paste_ini writes the parts of Glance's shipped file (which is in the
# package glance-common) that a server with Keystone uses.
write_paste_ini() {
  cat >"$dir/etc/paste.ini" <<'CONF'
[pipeline:glance-api-keystone]
pipeline = http_proxy_to_wsgi versionnegotiation authtoken context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true
[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory
CONF
}

write_clouds_yaml() {
  {
    echo "clouds:"
    cloud_entry demo admin demo "$keystone_port"
    cloud_entry demo-member member demo "$keystone_port"
    cloud_entry demo-importer importer demo "$keystone_port"
    cloud_entry demo-guest guest guest "$keystone_port"
    cloud_entry second admin demo "$keystone2_port"
    cloud_entry second-member member demo "$keystone2_port"
    cloud_entry second-guest guest guest "$keystone2_port"
  } >"$dir/clouds.yaml.new"
  mv "$dir/clouds.yaml.new" "$dir/clouds.yaml"
}

# cloud_entry CLOUD USER PROJECT KEYSTONE_PORT
cloud_entry() {
  cat <<CONF
  $1:
    auth:
      auth_url: $(url "$4")/v3
      username: $2
      password: $password
      project_name: $3
      user_domain_id: default
      project_domain_id: default
    region_name: RegionOne
    interface: public
    identity_api_version: "3"
CONF
}

# start_keystone NAME PORT
start_keystone() {
  start_server "$1" /usr/bin/keystone-wsgi-public --host "$host" --port "$2" -- --config-file "$dir/etc/$1.conf"
}

# start_glance NAME
start_glance() {
  start_server "$1" "$python" -m glance.cmd.api --config-file "$dir/etc/$1.conf"
}

# start_server NAME COMMAND... runs the command in a session of its own, with
# an end in sight, and records who it is.
start_server() {
  server=$1
  shift
  setsid timeout -k 10 "$lifetime" "$@" </dev/null >"$dir/log/$server.log" 2>&1 9>&- &
  identity $! >"$dir/run/$server.pid"
}

# identity PID prints the process's number and start time (proc(5), field 22 of
# stat), which together are never used again.
identity() {
  started=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20) || started=
  echo "$1 $started"
}

alive() {
  [ -f "$dir/run/$1.pid" ] || return 1
  read -r pid _ <"$dir/run/$1.pid"
  [ -d "/proc/$pid" ] && [ "$(identity "$pid")" = "$(cat "$dir/run/$1.pid")" ]
}

stop_server() {
  if alive "$1"; then
    kill -TERM "$pid"
    tries=150
    while alive "$1" && [ "$tries" -gt 0 ]; do
      sleep 0.1
      tries=$((tries - 1))
    done
    ! alive "$1" || die "$1 (process $pid) does not end"
  fi
  rm -f "$dir/run/$1.pid"
}

wait_for() {
  until=$(($(date +%s) + deadline))
  while ! answers "$2"; do
    alive "$1" || give_up "$1" "ended instead of answering at $2"
    [ "$(date +%s)" -lt "$until" ] || give_up "$1" "did not answer at $2 in $deadline s"
    sleep 0.2
  done
}

give_up() {
  tail -n 30 "$dir/log/$1.log" >&2
  cloud_stop
  die "$1 $2; its log is $dir/log/$1.log"
}

answers() {
  "$python" "$here/cloud_ports.py" answers "$1"
}

all_answer() {
  [ -f "$dir/run/ports" ] && [ -f "$dir/clouds.yaml" ] && load_ports || return 1
  for name in $servers; do
    alive "$name" || return 1
  done
  for port in "$keystone_port" "$keystone2_port"; do
    answers "$(url "$port")/v3" || return 1
  done
  for port in "$glance_port" "$small_port" "$glance2_port"; do
    answers "$(url "$port")/" || return 1
  done
}

die() {
  echo "$0: $*" >&2
  exit 1
}

main "$@"
