// Who is at the other end of a connection, as the kernel says at accept.
#pragma once

#include <sys/types.h>

#include <vector>

#include "os/fd.hpp"

namespace gpumodel::broker {

struct Peer {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;              // 0: in a pid namespace that this process does not see
  std::vector<gid_t> groups;  // with gid
  os::Fd process;  // a pidfd, readable once the process has ended; empty where there is none
};

// From SO_PEERCRED, SO_PEERGROUPS and SO_PEERPIDFD (Linux 6.5; before it pidfd_open, where the
// process still belongs to the user). Throws std::system_error.
Peer read_peer(int socket);

}  // namespace gpumodel::broker
