#include "broker/peer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <system_error>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

namespace gpumodel::broker {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::vector<gid_t> peer_groups(int socket) {
  std::vector<gid_t> groups(32);
  auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) {
    if (errno != ERANGE) fail("SO_PEERGROUPS");
    groups.resize(size / sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0)
      fail("SO_PEERGROUPS");
  }
  groups.resize(size / sizeof(gid_t));
  return groups;
}

// Before Linux 6.5 the pid may already be another process's: that it still belongs to the peer's
// user is all that can be checked, so that at worst another process of this user is watched.
os::Fd open_process(pid_t pid, uid_t uid) {
  os::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  struct stat info {};
  if (process && (::stat(fmt::format("/proc/{}", pid).c_str(), &info) != 0 || info.st_uid != uid))
    process.reset();
  return process;
}

os::Fd peer_process(int socket, const ucred& credentials) {
  int fd = -1;
  socklen_t size = sizeof fd;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0) return os::Fd(fd);
  if (errno == ENODATA || credentials.pid <= 0) return os::Fd();
  // An ended peer (ESRCH, EINVAL) gets no lease, and no descriptor left (EMFILE) no connection.
  if (errno != ENOPROTOOPT) fail("SO_PEERPIDFD");
  return open_process(credentials.pid, credentials.uid);
}

}  // namespace

Peer read_peer(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) fail("SO_PEERCRED");
  Peer peer;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  peer.pid = credentials.pid;
  peer.groups = peer_groups(socket);
  peer.groups.push_back(credentials.gid);
  peer.process = peer_process(socket, credentials);
  return peer;
}

}  // namespace gpumodel::broker
