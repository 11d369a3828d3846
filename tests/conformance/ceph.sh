#!/bin/bash
# Runs the store conformance suite against Ceph radosgw, a real store: `make conformance-ceph`.
#
# Debian's packages (about 70 MB) are unpacked below OPENOMS_CEPH_DIR (default: the user's cache), nothing is installed.
# One monitor, one memory-backed OSD and one gateway run on free ports of 127.0.0.1 and are stopped at the end.
set -euo pipefail

PYTHON=$(realpath -s "${1:-python3}")
HERE=$(cd "$(dirname "$0")" && pwd)
CACHE=${OPENOMS_CEPH_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/openoms/ceph}
ROOT=$CACHE/root
RUN=$(mktemp -d "${TMPDIR:-/tmp}/openoms-ceph.XXXXXX")

unpack() {
  [ -e "$CACHE/unpacked" ] && return
  mkdir -p "$CACHE/debs" "$ROOT"
  echo "fetching Debian's Ceph packages into $CACHE"
  apt-get -s install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common | awk '/^Inst/{print $2}' > "$CACHE/packages"
  # shellcheck disable=SC2046 # names of packages hold no blanks
  (cd "$CACHE/debs" && apt-get download -q $(cat "$CACHE/packages"))
  for package in "$CACHE"/debs/*.deb; do dpkg-deb -x "$package" "$ROOT"; done
  touch "$CACHE/unpacked"
}

stop() {
  for name in rgw osd mon; do
    [ -s "$RUN/$name.pid" ] && kill "$(cat "$RUN/$name.pid")" 2> /dev/null || true
  done
  wait
  if [ "${KEEP_LOGS:-}" ]; then echo "logs are in $RUN"; else rm -rf "$RUN"; fi
}
trap stop EXIT

free_ports() {
  "$PYTHON" -c "
import socket
held = [socket.socket() for _ in range($1)]
for one in held: one.bind(('127.0.0.1', 0))
print(*(one.getsockname()[1] for one in held))"
}

start_daemon() { # name, program, arguments: in the foreground of a child of ours, so that it ends with us
  local name=$1 program=$2
  shift 2
  "$ROOT/usr/bin/$program" -c "$RUN/ceph.conf" -f "$@" > "$RUN/$name.log" 2>&1 &
  echo $! > "$RUN/$name.pid"
}

ceph_tool() {
  PYTHONPATH=$ROOT/usr/lib/python3/dist-packages /usr/bin/python3 "$ROOT/usr/bin/ceph" -c "$RUN/ceph.conf" --connect-timeout 30 "$@"
}

admin() { "$ROOT/usr/bin/radosgw-admin" -c "$RUN/ceph.conf" --ms_mon_client_mode "crc secure" "$@"; }

unpack
LIB=$ROOT/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$LIB:$LIB/ceph:$ROOT/lib/x86_64-linux-gnu
read -r MON_PORT RGW_PORT <<< "$(free_ports 2)"
FSID=$("$PYTHON" -c "import uuid; print(uuid.uuid4())")
cat > "$RUN/ceph.conf" << CONF
[global]
fsid = $FSID
mon_host = v2:127.0.0.1:$MON_PORT
mon_initial_members = a
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
run_dir = $RUN
admin_socket = $RUN/\$name.asok
pid_file =
log_file = $RUN/\$name.ceph.log
crash_dir = $RUN
keyring = $RUN/keyring
erasure_code_dir = $LIB/ceph/erasure-code
plugin_dir = $LIB/ceph
osd_class_dir = $LIB/rados-classes
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_data = $RUN/mon
mon_data_avail_warn = 1
mon_data_avail_crit = 1
osd_data = $RUN/osd
osd_objectstore = memstore
memstore_device_bytes = 2147483648
rgw_data = $RUN/rgw
CONF
mkdir -p "$RUN/mon" "$RUN/osd" "$RUN/rgw"
touch "$RUN/keyring"

"$ROOT/usr/bin/monmaptool" --create --fsid "$FSID" --addv a "[v2:127.0.0.1:$MON_PORT]" "$RUN/monmap" > "$RUN/setup.log"
"$ROOT/usr/bin/ceph-mon" -c "$RUN/ceph.conf" --mkfs -i a --monmap "$RUN/monmap" --keyring "$RUN/keyring" >> "$RUN/setup.log" 2>&1
start_daemon mon ceph-mon -i a
OSD_ID=$(ceph_tool osd new "$("$PYTHON" -c "import uuid; print(uuid.uuid4())")")
OSD_UUID=$(ceph_tool osd dump -f json | "$PYTHON" -c "import json, sys; print(json.load(sys.stdin)['osds'][0]['uuid'])")
"$ROOT/usr/bin/ceph-osd" -c "$RUN/ceph.conf" --mkfs -i "$OSD_ID" --osd-uuid "$OSD_UUID" >> "$RUN/setup.log" 2>&1
start_daemon osd ceph-osd -i "$OSD_ID"
for pool in .rgw.root default.rgw.{log,control,meta,buckets.index,buckets.data,buckets.non-ec}; do
  ceph_tool osd pool create "$pool" 1 1 >> "$RUN/setup.log" 2>&1
  ceph_tool osd pool application enable "$pool" rgw >> "$RUN/setup.log" 2>&1
done
# The first command makes the default zone, which the placements are added to.
admin user create --uid tester --display-name tester --access-key CEPHAK --secret CEPHSK >> "$RUN/setup.log" 2>&1
# Storage classes are only names here; one that is not configured is refused.
for class in STANDARD_IA GLACIER DEEP_ARCHIVE; do
  admin zonegroup placement add --rgw-zonegroup default --placement-id default-placement --storage-class $class >> "$RUN/setup.log" 2>&1
  admin zone placement add --rgw-zone default --placement-id default-placement --storage-class $class \
    --data-pool default.rgw.buckets.data >> "$RUN/setup.log" 2>&1
done
# radosgw insists on a secure monitor connection, which needs authentication; tcp_nodelay spares 45 ms per GET.
start_daemon rgw radosgw -n client.rgw --ms_mon_client_mode "crc secure" \
  --rgw_frontends "beast endpoint=127.0.0.1:$RGW_PORT tcp_nodelay=1"
for _ in $(seq 200); do
  (exec 3<> "/dev/tcp/127.0.0.1/$RGW_PORT") 2> /dev/null && break
  sleep 0.2
done

cd "$HERE/../.."
export OPENOMS_CEPH_URL=http://127.0.0.1:$RGW_PORT OPENOMS_CEPH_AK=CEPHAK OPENOMS_CEPH_SK=CEPHSK
unset LD_LIBRARY_PATH
"$PYTHON" -m pytest -q tests/conformance/test_ceph.py "${@:2}"
