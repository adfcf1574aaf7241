"""Run as the service, with the service's sandbox: tries what the daemon must not be able to do. Exit status 1 names
what was not refused."""

import ctypes
import errno
import os
import resource
import socket
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
DENIED = (errno.EPERM, errno.EACCES)
leaks = []


def refused(rule, call, codes=DENIED):
    """The call must fail with one of the codes; any other end of it is a leak of the rule."""
    try:
        call()
    except OSError as error:
        if error.errno not in codes:
            leaks.append(f"{rule}: {error}")
    else:
        leaks.append(f"{rule}: not refused")


def syscall(number, *arguments):
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def write(path):
    return lambda: open(path, "r+b").close() if os.path.exists(path) else open(path, "xb").close()


def suid():
    with open("/tmp/suid", "w"):
        os.chmod("/tmp/suid", 0o4755)


# Numbers of x86-64's tables. Where the filter does not refuse a call, its arguments make it fail otherwise.
SOCKETS = {"AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16, "AF_PACKET": 17, "AF_VSOCK": 40}
READ_ONLY = {
    "ProtectSystem": "/usr/probe",
    "ProtectSystem, its own configuration": "/etc/gpumodeld/probe",
    "ProtectSystem, its own libraries": "/usr/lib/gpumodeld/probe",
    "ProtectSystem, its socket's folder": "/run/gpumodeld/probe",
    "ProtectKernelTunables": "/proc/sys/kernel/hostname",
    "ProtectControlGroups": "/sys/fs/cgroup/probe",
    "ProtectHostname": "/proc/sys/kernel/domainname",
}
SYSCALLS = {
    "SystemCallFilter, mount": (165, b"none", b"/none", b"none", 0, 0),
    "SystemCallFilter, chroot": (161, b"/none"),
    "SystemCallFilter, ptrace": (101, 16, 0, 0, 0),
    "SystemCallFilter, setuid": (105, 0),
    "SystemCallFilter, add_key": (248, b"user", b"probe", b"x", 1, -2),
    "SystemCallFilter, keyctl": (250, 0, -3, 0),
    "SystemCallFilter, userfaultfd": (323, 0),
    "SystemCallFilter, bpf": (321, 0, 0, 0),
    "SystemCallFilter, reboot": (169, 0, 0, 0, 0),
    "SystemCallFilter, swapon": (167, b"/tmp/none", 0),
    "ProtectKernelModules": (175, b"", 0, b""),
    "ProtectKernelLogs": (103, 3, ctypes.create_string_buffer(64), 64),
    "LockPersonality": (135, 0x0040000),
}
for family, number in SOCKETS.items():
    refused(
        f"RestrictAddressFamilies, {family}",
        lambda n=number: socket.socket(n, socket.SOCK_RAW if n in (16, 17) else socket.SOCK_STREAM).close(),
        (errno.EAFNOSUPPORT, errno.EPERM),
    )
for rule, path in READ_ONLY.items():
    refused(rule, write(path), (errno.EROFS, *DENIED))
for rule, arguments in SYSCALLS.items():
    refused(rule, lambda a=arguments: syscall(*a))
refused("ProtectHome", lambda: os.listdir("/home/alice"), (errno.ENOENT, *DENIED))
refused("ProtectHome, root's", lambda: os.listdir("/root"), (errno.ENOENT, *DENIED))
refused("ProtectClock", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))
refused("ProtectHostname", lambda: socket.sethostname("probe"))
refused("RestrictSUIDSGID", suid)
refused("RestrictRealtime", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
refused("DevicePolicy", lambda: open("/run/probe-device", "rb").close())

if any(name == "of-the-machine" for name in os.listdir("/tmp")):
    leaks.append("PrivateTmp: the machine's /tmp is seen")
if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):
    leaks.append("LimitCORE: it can leave core files")
with open("/proc/net/dev", encoding="ascii") as file:
    if [line.split(":")[0].strip() for line in file.readlines()[2:]] != ["lo"]:
        leaks.append("PrivateNetwork: there is more than a loopback")
with open("/var/lib/gpumodeld/probe", "w", encoding="ascii") as file:
    file.write("its state folder is its own")
if os.stat("/var/lib/gpumodeld/probe").st_mode & 0o777 != 0o640:
    leaks.append("UMask: others read what it writes")
os.unlink("/var/lib/gpumodeld/probe")
# The last, since they would change what is seen.
for kind, flag in {"network": 0x40000000, "mount": 0x00020000, "user": 0x10000000}.items():
    refused(f"RestrictNamespaces, {kind}", lambda f=flag: syscall(272, f))
sys.exit("\n".join(leaks) or 0)
