// The socket that clients connect to: the service manager's, or our own.
#pragma once

#include <functional>
#include <string>

#include "broker/config.hpp"
#include "broker/log.hpp"
#include "broker/loop.hpp"
#include "broker/metrics.hpp"
#include "os/fd.hpp"
#include "wire/error.hpp"

namespace gpumodel::broker {

// The one listening AF_UNIX stream socket that systemd passed ($LISTEN_FDS), or nothing where it
// passed none. Throws std::runtime_error for any other gift. Removes the variables from the
// environment.
os::Fd take_activated_socket();

// A socket file of our own, with its mode and group before anybody can connect. Removed at the end.
class SocketFile {
 public:
  // Throws std::runtime_error: something answers on the path already, it is no socket, or its
  // folder is missing or not ours to write. A stale socket is replaced.
  SocketFile(const DaemonConfig& config, os::Fd& listening);
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;
  ~SocketFile();

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// Accepts connections from start() on.
class Listener {
 public:
  using OnConnection = std::function<void(os::Fd)>;

  Listener(asio::io_context& io, const Log& log, Metrics& metrics, os::Fd listening,
           OnConnection on_connection);
  void start();

 private:
  void wait();
  void accept_some();
  bool refuse_one();

  const Log& log_;
  Metrics& metrics_;
  asio::posix::stream_descriptor listening_;
  asio::steady_timer pause_;
  OnConnection on_connection_;
  // Closed to accept, and refuse, one connection where no descriptor is left for it.
  os::Fd spare_;
  bool told_exhaustion_ = false;
};

// One error without a request, for connections that get nothing else; then the caller closes.
void refuse_connection(int socket, const wire::Error& error);

}  // namespace gpumodel::broker
