#!/bin/sh
# A real Keystone and Glance on loopback, wholly inside one folder.
#
#   hack/cloud.sh start DIR    set up what is missing, start what is down
#   hack/cloud.sh stop DIR     stop what start started
#   hack/cloud.sh status DIR   exit 0 when all servers answer
#   hack/cloud.sh env DIR      print the exports that point clients at it
#
# DIR/clouds.yaml then knows the clouds demo (admin) and demo-member (an
# ordinary member), each with the regions RegionOne, SmallQuota (a second
# Glance whose users may store CLOUD_SMALL_QUOTA) and Closed (nothing listens).
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
  start_server keystone /usr/bin/keystone-wsgi-public --host "$host" --port "$keystone_port" -- --config-file "$dir/etc/keystone.conf"
  start_server glance "$python" -m glance.cmd.api --config-file "$dir/etc/glance.conf"
  start_server small "$python" -m glance.cmd.api --config-file "$dir/etc/small.conf"
  wait_for keystone "$(keystone_url)/v3"
  OS_PASSWORD=$password "$python" "$here/cloud_seed.py" "$(keystone_url)/v3" "$(glance_url)" "$(small_url)"
  wait_for glance "$(glance_url)/"
  wait_for small "$(small_url)/"
  write_clouds_yaml
  echo "cloud in $dir is running: $(urls)"
}

cloud_stop() {
  for name in small glance keystone; do
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
  if [ -f "$dir/run/ports" ]; then
    load_ports
    "$python" "$here/cloud_ports.py" free "$keystone_port" "$glance_port" "$small_port" && return
  fi
  "$python" "$here/cloud_ports.py" pick keystone_port glance_port small_port >"$dir/run/ports"
  load_ports
}

load_ports() {
  keystone_port='' glance_port='' small_port=''
  # shellcheck source=/dev/null
  . "$dir/run/ports"
}

keystone_url() { echo "http://$host:$keystone_port"; }
glance_url() { echo "http://$host:$glance_port"; }
small_url() { echo "http://$host:$small_port"; }
urls() { echo "Keystone $(keystone_url)/v3, Glance $(glance_url) and $(small_url)"; }

configure() {
  [ -s "$dir/etc/password" ] || od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$dir/etc/password"
  password=$(cat "$dir/etc/password")
  write_keystone_conf
  write_paste_ini
  write_glance_conf glance "$glance_port" RegionOne 0
  write_glance_conf small "$small_port" SmallQuota "${CLOUD_SMALL_QUOTA:-8MB}"
  make_once keystone.db keystone_manage db_sync
  make_once glance.db glance_manage glance
  make_once small.db glance_manage small
  [ -f "$dir/fernet/0" ] || keystone_manage fernet_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)"
  OS_BOOTSTRAP_PASSWORD=$password keystone_manage bootstrap \
    --bootstrap-region-id RegionOne \
    --bootstrap-public-url "$(keystone_url)/v3" \
    --bootstrap-internal-url "$(keystone_url)/v3" \
    --bootstrap-admin-url "$(keystone_url)/v3"
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

keystone_manage() {
  mkdir -p "$dir/fernet" "$dir/credential"
  logged keystone-manage /usr/bin/keystone-manage --config-file "$dir/etc/keystone.conf" "$@"
}

glance_manage() {
  logged glance-manage "$python" -m glance.cmd.manage --config-file "$dir/etc/$1.conf" db_sync
}

logged() {
  log=$dir/log/$1.log
  shift
  "$@" >>"$log" 2>&1 && return
  tail -n 20 "$log" >&2
  die "$*: did not succeed; its log is $log"
}

write_keystone_conf() {
  cat >"$dir/etc/keystone.conf" <<CONF
[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///$dir/keystone.db
sqlite_synchronous = false
[token]
provider = fernet
[fernet_tokens]
key_repository = $dir/fernet
[fernet_receipts]
key_repository = $dir/fernet
[credential]
key_repository = $dir/credential
[identity]
# The cheapest that bcrypt allows: these users guard nothing.
password_hash_rounds = 4
CONF
}

# write_glance_conf NAME PORT REGION USER_STORAGE_QUOTA
write_glance_conf() {
  mkdir -p "$dir/$1/fast" "$dir/$1/cold" "$dir/$1/staging" "$dir/$1/tasks"
  cat >"$dir/etc/$1.conf" <<CONF
[DEFAULT]
bind_host = $host
bind_port = $2
workers = 1
use_stderr = true
enabled_backends = fast:file, cold:file
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
[oslo_concurrency]
lock_path = $dir/run
[paste_deploy]
flavor = keystone
config_file = $dir/etc/paste.ini
[keystone_authtoken]
www_authenticate_uri = $(keystone_url)/v3
auth_url = $(keystone_url)/v3
auth_type = password
username = glance
password = $password
user_domain_id = default
project_name = service
project_domain_id = default
region_name = RegionOne
# No cache, so that a revoked token is refused at once.
token_cache_time = -1
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
    cloud_entry demo admin demo
    cloud_entry demo-member member demo
  } >"$dir/clouds.yaml.new"
  mv "$dir/clouds.yaml.new" "$dir/clouds.yaml"
}

# cloud_entry CLOUD USER PROJECT
cloud_entry() {
  cat <<CONF
  $1:
    auth:
      auth_url: $(keystone_url)/v3
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
  [ -f "$dir/run/ports" ] && [ -f "$dir/clouds.yaml" ] || return 1
  load_ports
  for name in keystone glance small; do
    alive "$name" || return 1
  done
  answers "$(keystone_url)/v3" && answers "$(glance_url)/" && answers "$(small_url)/"
}

die() {
  echo "$0: $*" >&2
  exit 1
}

main "$@"
