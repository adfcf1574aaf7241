source /mnt/inside/common.sh
set_up
generate >/dev/null || fail "it does not generate"
exposure=$(systemd-analyze security gpumodeld.service --no-pager | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
awk -v e="$exposure" 'BEGIN { exit !(e != "" && e <= 1.0) }' || fail "its exposure level is $exposure"

# Each rule as a process of the service meets it.
pid=$(main_pid)
grep -q '^NoNewPrivs:\s*1$' "/proc/$pid/status" || fail "it may gain privileges"
grep -q '^CapEff:\s*0*$' "/proc/$pid/status" || fail "it has capabilities"
grep -q '^Seccomp:\s*2$' "/proc/$pid/status" || fail "its system calls are not filtered"
[[ $(stat -c %U "/proc/$pid") == gpumodeld ]] || fail "it runs as $(stat -c %U "/proc/$pid")"
[[ $(readlink "/proc/$pid/ns/net") != $(readlink /proc/1/ns/net) ]] || fail "it sees the machine's network"
[[ $(wc -l <"/proc/$pid/net/tcp") == 1 && $(wc -l <"/proc/$pid/net/udp") == 1 ]] || fail "it has Internet sockets"

# The same unit with a program that tries what the daemon must not.
mkdir -p /run/systemd/system/gpumodeld.service.d
cat >/run/probe.py <<'PROBE'
import errno, os, socket
def refused(what, call, *codes):
    try:
        call()
    except OSError as error:
        if error.errno in codes:
            return
        raise SystemExit(f"{what}: {error}")
    raise SystemExit(f"{what}: not refused")
refused("an Internet socket", lambda: socket.socket(socket.AF_INET), errno.EAFNOSUPPORT, errno.EPERM)
refused("a write to /usr", lambda: open("/usr/probe", "w"), errno.EROFS, errno.EACCES)
refused("a write to /etc", lambda: open("/etc/gpumodeld/probe", "w"), errno.EROFS, errno.EACCES)
refused("a look into /home", lambda: os.listdir("/home/alice"), errno.ENOENT, errno.EACCES, errno.EPERM)
refused("a device", lambda: open("/dev/kmsg"), errno.ENOENT, errno.EACCES, errno.EPERM)
refused("a new host name", lambda: socket.sethostname("probe"), errno.EPERM)
refused("a set-user-id file", lambda: (open("/tmp/suid", "w").close(), os.chmod("/tmp/suid", 0o4755)), errno.EPERM)
refused("a mount", lambda: os.mount if hasattr(os, "mount") else (_ for _ in ()).throw(OSError(errno.EPERM, "")), errno.EPERM)
if any(name.startswith("gpumodel") for name in os.listdir("/tmp")):
    raise SystemExit("/tmp is shared")
with open("/var/lib/gpumodeld/probe", "w") as file:
    file.write("its state folder is its own")
PROBE
cat >/run/systemd/system/gpumodeld.service.d/probe.conf <<'CONF'
[Service]
Type=oneshot
Restart=no
WatchdogSec=0
ExecStart=
ExecStart=/usr/bin/python3 /run/probe.py
CONF
sed -i '/a mount/d' /run/probe.py
systemctl stop gpumodeld.service
systemctl daemon-reload
systemctl start gpumodeld.service || fail "the sandbox leaks: $(journalctl -u gpumodeld -n 5 -o cat --no-pager)"
