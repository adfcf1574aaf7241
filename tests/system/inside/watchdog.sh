source /mnt/inside/common.sh
set_up
mkdir -p /etc/systemd/system/gpumodeld.service.d
printf '[Service]\nWatchdogSec=2\n' >/etc/systemd/system/gpumodeld.service.d/quick.conf
systemctl daemon-reload
gpumodelctl models >/dev/null
pid=$(main_pid)
sleep 5
[[ $(main_pid) == "$pid" ]] || fail "the watchdog bit a daemon that works"
kill -STOP "$pid"
until_true 20 is_other_pid "$pid" || fail "a broker that stands still was left standing"
[[ -n $(generate) ]] || fail "nothing is generated after the watchdog"
journalctl -u gpumodeld --no-pager | grep -qi watchdog || fail "the journal does not tell of the watchdog"
