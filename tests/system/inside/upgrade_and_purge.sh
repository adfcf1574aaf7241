source /mnt/inside/common.sh
# Everything that is there, but for what the system writes by itself.
files() {
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /mnt -o -path /var/log -o \
    -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/lib/systemd -o -path /home -o -name __pycache__ \) -prune -o -print
  find /run -iname '*gpumodel*'
}
ours=(gpumodeld libgpumodel1 libgpumodel-dev python3-gpumodel gpumodel-tools)
dependencies=$(ls /mnt/packages/*.deb | grep -vE "/($(IFS='|'; echo "${ours[*]}"))_")
dpkg --install $dependencies >/tmp/dependencies.log 2>&1 || fail "dependencies: $(cat /tmp/dependencies.log)"
useradd --create-home alice
files | sort >/tmp/before
getent passwd | sort >/tmp/users
cut -d: -f1,3 /etc/group | sort >/tmp/groups

install_packages
write_config
usermod --append --groups gpumodel alice
[[ -n $(generate) ]] || fail "nothing is generated before the upgrade"
pid=$(main_pid)
echo '# mine' >>/etc/gpumodeld/gpumodeld.toml
as alice true
touch /var/lib/gpumodeld/state

# The next version, whose configuration file is another one too; clients come all the while.
dpkg-deb --raw-extract /mnt/packages/gpumodeld_*.deb /tmp/next
sed -i 's/^Version: .*/&+next/' /tmp/next/DEBIAN/control
echo '# of the next version' >>/tmp/next/etc/gpumodeld/gpumodeld.toml
sed -i "s|.*  etc/gpumodeld/gpumodeld.toml|$(md5sum /tmp/next/etc/gpumodeld/gpumodeld.toml | cut -d' ' -f1)  etc/gpumodeld/gpumodeld.toml|" /tmp/next/DEBIAN/md5sums
dpkg-deb --build -Znone /tmp/next /tmp/next.deb >/dev/null
rm -rf /tmp/next
touch /tmp/upgrading
clients() {
  while [[ -e /tmp/upgrading ]]; do
    as alice gpumodelctl models >/dev/null 2>>/tmp/refused || true
    echo >>/tmp/served
  done
}
clients &
until_true 10 test -s /tmp/served || fail "no client is served before the upgrade"
dpkg --install --force-confold /tmp/next.deb >/tmp/install.log 2>&1 || fail "the upgrade fails: $(cat /tmp/install.log)"
rm /tmp/upgrading
wait
# A connection that the old daemon had taken may end with it; none finds the socket away or closed.
! grep -v 'the daemon closed the connection' /tmp/refused || fail "clients were refused during the upgrade"
[[ $(dpkg-query -W -f '${Version}' gpumodeld) == *+next ]] || fail "the upgrade was none"
grep -q '# mine' /etc/gpumodeld/gpumodeld.toml || fail "an upgrade lost the configuration"
[[ -e /var/lib/gpumodeld/state ]] || fail "an upgrade lost the state"
id -nG alice | grep -qw gpumodel || fail "an upgrade lost the group's members"
[[ -n $(generate) ]] || fail "nothing is generated after the upgrade"
[[ $(main_pid) != "$pid" ]] || fail "the old daemon still runs after the upgrade"

# Removed, the service is gone and the configuration stays; purged, nothing is left.
dpkg --remove gpumodeld >/tmp/remove.log 2>&1 || fail "remove: $(cat /tmp/remove.log)"
grep -q '# mine' /etc/gpumodeld/gpumodeld.toml || fail "a removal lost the configuration"
! pgrep -f gpumodel || fail "a removal leaves processes: $(pgrep -af gpumodel)"
[[ ! -e /run/gpumodeld/api.sock ]] || fail "a removal leaves the socket"
dpkg --purge python3-gpumodel gpumodel-tools libgpumodel-dev libgpumodel1 gpumodeld >/tmp/purge.log 2>&1 || fail "purge: $(cat /tmp/purge.log)"
files | sort >/tmp/after
left=$(comm -13 /tmp/before /tmp/after)
[[ -z $left ]] || fail "a purge leaves: $left"
diff /tmp/users <(getent passwd | sort) || fail "a purge leaves users"
diff /tmp/groups <(cut -d: -f1,3 /etc/group | sort) || fail "a purge leaves groups"
systemctl daemon-reload
! systemctl list-unit-files --no-pager | grep gpumodel || fail "a purge leaves units"
! systemctl list-units --all --no-pager 'gpumodeld*' | grep gpumodeld || fail "a purge leaves loaded units"
