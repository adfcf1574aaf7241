source /mnt/inside/common.sh
set_up
mkdir -p /etc/systemd/system/gpumodeld.service.d
printf '[Service]\nWatchdogSec=2\n' >/etc/systemd/system/gpumodeld.service.d/quick.conf
systemctl daemon-reload
gpumodelctl models >/dev/null
pid=$(main_pid)
# More than two of its periods, at work.
for round in 1 2 3; do
  generate concept 50 >/dev/null || fail "it does not generate"
  sleep 2
done
[[ $(main_pid) == "$pid" ]] || fail "the watchdog bit a daemon that works"
kill -STOP "$pid"
until_true 30 is_other_pid "$pid" || fail "a broker that stands still was left standing"
[[ -n $(generate) ]] || fail "nothing is generated after the watchdog"
journalctl -u gpumodeld --no-pager | grep -qi 'watchdog timeout' || fail "the journal does not tell of the watchdog"
until_true 10 has_one_engine || fail "an engine outlived the broker that the watchdog killed"
