source /mnt/inside/common.sh
set_up
generate >/dev/null || fail "it does not generate"
exposure=$(systemd-analyze security gpumodeld.service --no-pager | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
awk -v e="$exposure" 'BEGIN { exit !(e != "" && e <= 1.0) }' || fail "its exposure level is $exposure"

# What every process of the service is, engines too.
for pid in $(main_pid) $(engine_pid) $(pgrep -f 'gpumodel-engine --probe'); do
  name=$(tr '\0' ' ' <"/proc/$pid/cmdline")
  grep -q '^NoNewPrivs:\s*1$' "/proc/$pid/status" || fail "$name may gain privileges"
  for capabilities in CapEff CapPrm CapBnd CapAmb CapInh; do
    grep -q "^$capabilities:\s*0*\$" "/proc/$pid/status" || fail "$name has $capabilities"
  done
  grep -q '^Seccomp:\s*2$' "/proc/$pid/status" || fail "$name: its system calls are not filtered"
  [[ $(stat -c %U:%G "/proc/$pid") == gpumodeld:gpumodeld ]] || fail "$name runs as $(stat -c %U:%G "/proc/$pid")"
  for namespace in net mnt; do
    [[ $(readlink "/proc/$pid/ns/$namespace") != $(readlink "/proc/1/ns/$namespace") ]] ||
      fail "$name is in the machine's $namespace namespace"
  done
  for family in tcp tcp6 udp udp6 raw raw6 packet; do
    [[ ! -e /proc/$pid/net/$family || $(wc -l <"/proc/$pid/net/$family") == 1 ]] || fail "$name has $family sockets"
  done
  sockets=$(find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n')
  for inode in $sockets; do
    grep -qw "$inode" /proc/net/unix "/proc/$pid/net/unix" || fail "$name has a socket that is not of AF_UNIX"
  done
done

# Each rule: the same unit with a program that tries what the daemon must not.
touch /tmp/of-the-machine
mknod --mode 666 /run/probe-device c 10 200 # /dev/net/tun's number, which this system itself may open
mkdir -p /run/systemd/system/gpumodeld.service.d
cat >/run/systemd/system/gpumodeld.service.d/probe.conf <<'CONF'
[Service]
Type=oneshot
Restart=no
WatchdogSec=0
ExecStart=
ExecStart=/usr/bin/python3 /mnt/inside/probe.py
CONF
systemctl stop gpumodeld.service
systemctl daemon-reload
systemctl start gpumodeld.service || fail "the sandbox leaks: $(journalctl -u gpumodeld -n 12 -o cat --no-pager)"
# The probe itself is believed only if it finds what it looks for without the sandbox.
! python3 /mnt/inside/probe.py 2>/tmp/unconfined || fail "the probe finds nothing outside of the sandbox"
for rule in RestrictAddressFamilies ProtectSystem ProtectHome RestrictSUIDSGID PrivateTmp RestrictNamespaces UMask; do
  grep -q "^$rule" /tmp/unconfined || fail "the probe does not notice that $rule is off: $(cat /tmp/unconfined)"
done
