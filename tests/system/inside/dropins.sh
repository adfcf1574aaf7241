# The drop-ins that the package brings as examples: what each is for does not work without it, and works with it.
source /mnt/inside/common.sh
set_up
examples=/usr/share/doc/gpumodeld/examples/gpumodeld.service.d
own=/etc/systemd/system/gpumodeld.service.d
config=/etc/gpumodeld/gpumodeld.toml
mkdir -p $own
# with DROPIN... : the service, started again with these and no others
with() {
  systemctl stop gpumodeld.service 2>/dev/null
  rm -f $own/*
  local name
  for name; do cp "$examples/$name.conf" $own; done
  systemctl daemon-reload
  systemctl start gpumodeld.service || fail "it does not start with: $*"
}
exposure() { systemd-analyze security gpumodeld.service --no-pager | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p'; }
at_most_one() { awk -v e="$(exposure)" 'BEGIN { exit !(e != "" && e <= 1.0) }'; }

# A model under /home.
cp -r /mnt/model /home/alice/model
chmod 755 /home/alice
sed 's|^path.*|path = "/home/alice/model"|' -i $config
with
! generate concept >/tmp/out 2>/tmp/err || fail "a model under /home is served without the drop-in"
grep -q concept /tmp/err || fail "the error does not name the model: $(cat /tmp/err)"
with models-in-home
[[ -n $(generate concept) ]] || fail "a model under /home is not served with models-in-home.conf"
at_most_one || fail "with models-in-home.conf its exposure level is $(exposure)"
sed 's|^path.*|path = "/mnt/model"|' -i $config

# Metrics where node_exporter reads them.
folder=/var/lib/prometheus/node-exporter
install -d -o gpumodeld $folder
sed "s|^drain_timeout.*|&\nmetrics_textfile = \"$folder/gpumodeld.prom\"|" -i $config
with
generate >/dev/null || fail "a metrics file that cannot be written keeps the service from serving"
[[ ! -e $folder/gpumodeld.prom ]] || fail "the unit lets the daemon write in $folder without the drop-in"
with metrics-textfile
until_true 40 test -s $folder/gpumodeld.prom || fail "no metrics with metrics-textfile.conf"
grep -q '^gpumodel' $folder/gpumodeld.prom || fail "the metrics are: $(head -n 5 $folder/gpumodeld.prom)"
[[ $(stat -c %a $folder/gpumodeld.prom) == 644 ]] || fail "node_exporter cannot read the metrics"
sed -i '/^metrics_textfile/d' $config

# Loopback for ranks: TCP within the service's own network namespace, and nothing but that.
cat >/run/loopback.py <<'PROBE'
import socket
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 60) as client:
    server.accept()[0].sendall(b"rank")
    assert client.recv(4) == b"rank"
try:
    socket.create_connection(("192.0.2.1", 9), 2)
except OSError:
    raise SystemExit(0)
raise SystemExit("there is a way out of the machine")
PROBE
as_service() {
  printf '[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\nExecStart=\nExecStart=/usr/bin/python3 %s\n' "$1" >$own/zz-probe.conf
  systemctl daemon-reload
  local status=0
  systemctl restart gpumodeld.service 2>/dev/null || status=$?
  rm $own/zz-probe.conf
  return $status
}
with
! as_service /run/loopback.py || fail "the unit lets the daemon use loopback without the drop-in"
with tensor-parallel
[[ -n $(generate) ]] || fail "nothing is generated with tensor-parallel.conf"
as_service /run/loopback.py || fail "no loopback with tensor-parallel.conf: $(journalctl -u gpumodeld -n 5 -o cat --no-pager)"

# What this systemd does not know yet it says, and the rest of the unit holds.
with systemd-254
[[ -n $(generate) ]] || fail "nothing is generated with systemd-254.conf"
version=$(systemctl --version | awk 'NR == 1 { print $2 }')
if ((version >= 254)); then
  sed -i 's/models.other/models.renamed/' $config
  systemctl reload gpumodeld.service || fail "no reload with systemd-254.conf"
  gpumodelctl models | grep -q renamed || fail "systemctl reload was over before the configuration was read"
else
  echo "systemd-254.conf's reload was not tried: this is systemd $version"
fi
