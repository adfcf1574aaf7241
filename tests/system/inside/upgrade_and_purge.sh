source /mnt/inside/common.sh
install_packages
find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /mnt -o -path /var/log -o -path /var/cache \) -prune -o -newer /tmp/install.log -print >/dev/null
write_config
useradd --create-home alice
usermod --append --groups gpumodel alice
[[ -n $(generate) ]] || fail "nothing is generated before the upgrade"
pid=$(main_pid)
echo '# mine' >>/etc/gpumodeld/gpumodeld.toml
touch /var/lib/gpumodeld/state
install_packages # the same version again: what an upgrade runs
grep -q '# mine' /etc/gpumodeld/gpumodeld.toml || fail "an upgrade lost the configuration"
[[ -e /var/lib/gpumodeld/state ]] || fail "an upgrade lost the state"
[[ -n $(generate) ]] || fail "nothing is generated after the upgrade"
[[ $(main_pid) != "$pid" ]] || fail "the old daemon still runs after the upgrade"

dpkg --purge python3-gpumodel gpumodel-tools libgpumodel-dev libgpumodel1 gpumodeld >/tmp/purge.log 2>&1 || fail "purge: $(cat /tmp/purge.log)"
left=$(find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /mnt -o -path /var/log -o -path /var/lib/dpkg -o -path /var/cache \) -prune -o -iname '*gpumodel*' -print)
[[ -z $left ]] || fail "a purge leaves: $left"
! getent passwd gpumodeld || fail "a purge leaves the user"
! getent group gpumodeld gpumodel gpumodel-admin || fail "a purge leaves groups"
! systemctl list-unit-files | grep gpumodel || fail "a purge leaves units"
! pgrep -f gpumodel || fail "a purge leaves processes"
