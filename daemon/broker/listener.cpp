#include "broker/listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "broker/log_messages.hpp"
#include "wire/codec.hpp"

namespace gpumodel::broker {
namespace {

constexpr int kBacklog = 512;
constexpr std::chrono::milliseconds kPauseWithoutDescriptors{50};

std::string reason() { return std::generic_category().message(errno); }

os::Fd make_socket() {
  os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw std::system_error(errno, std::generic_category(), "socket");
  return fd;
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  return address;
}

int connect_to(int fd, const sockaddr_un& address) {
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// Makes way for a new socket at `path`.
void remove_stale(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return;
  if (!S_ISSOCK(info.st_mode))
    throw std::runtime_error(
        fmt::format("{}: something that is no socket is in the way; move it or set socket", path));
  const os::Fd probe = make_socket();
  if (connect_to(probe.get(), address_of(path)) == 0 || errno == EAGAIN)
    throw std::runtime_error(
        fmt::format("{}: another daemon serves this socket; stop it or set socket", path));
  ::unlink(path.c_str());
}

os::Fd open_spare() { return os::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

os::Fd take_activated_socket() {
  const int count = sd_listen_fds(/*unset_environment=*/1);
  if (count < 0) throw std::system_error(-count, std::generic_category(), "$LISTEN_FDS");
  if (count == 0) return os::Fd();
  os::Fd fd(SD_LISTEN_FDS_START);
  if (count > 1 || sd_is_socket_unix(fd.get(), SOCK_STREAM, /*listening=*/1, nullptr, 0) <= 0)
    throw std::runtime_error(
        "systemd passed something else than one listening AF_UNIX stream socket; check the .socket "
        "unit");
  return fd;
}

SocketFile::SocketFile(const DaemonConfig& config, os::Fd& listening) : path_(config.socket) {
  remove_stale(path_);
  listening = make_socket();
  const sockaddr_un address = address_of(path_);
  const mode_t mask = ::umask(0177);  // nobody else until mode and group are set
  const int bound =
      ::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const std::string bind_error = reason();
  ::umask(mask);
  if (bound != 0)
    throw std::runtime_error(fmt::format("{}: the socket cannot be made: {}", path_, bind_error));
  if (config.socket_group &&
      ::chown(path_.c_str(), static_cast<uid_t>(-1), *config.socket_group) != 0)
    throw std::runtime_error(fmt::format("{}: socket_group cannot be set: {}", path_, reason()));
  if (::chmod(path_.c_str(), config.socket_mode) != 0)
    throw std::runtime_error(fmt::format("{}: socket_mode cannot be set: {}", path_, reason()));
  if (::listen(listening.get(), kBacklog) != 0)
    throw std::runtime_error(fmt::format("{}: cannot listen: {}", path_, reason()));
  struct stat info {};
  if (::lstat(path_.c_str(), &info) == 0) {
    device_ = info.st_dev;
    inode_ = info.st_ino;
  }
}

SocketFile::~SocketFile() {
  struct stat info {};
  if (inode_ != 0 && ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
      info.st_ino == inode_)
    ::unlink(path_.c_str());
}

Listener::Listener(asio::io_context& io, const Log& log, Metrics& metrics, os::Fd listening,
                   OnConnection on_connection)
    : log_(log),
      metrics_(metrics),
      listening_(io, listening.release()),
      pause_(io),
      on_connection_(std::move(on_connection)),
      spare_(open_spare()) {
  listening_.non_blocking(true);
}

void Listener::start() { wait(); }

void Listener::wait() {
  listening_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [this](const boost::system::error_code& error) {
                          if (!error) accept_some();
                        });
}

void Listener::accept_some() {
  for (;;) {
    os::Fd socket(
        ::accept4(listening_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket) {
      told_exhaustion_ = false;
      on_connection_(std::move(socket));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return wait();
    if (errno == EMFILE || errno == ENFILE) {
      if (!std::exchange(told_exhaustion_, true)) log_.warning(messages::kNoDescriptors);
      if (refuse_one()) continue;
    }
    // Not even that, or an error that may pass (ENOMEM): not in a circle at full speed.
    pause_.expires_after(kPauseWithoutDescriptors);
    pause_.async_wait([this](const boost::system::error_code& error) {
      if (!error) accept_some();
    });
    return;
  }
}

bool Listener::refuse_one() {
  spare_.reset();
  os::Fd socket(
      ::accept4(listening_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket)
    refuse_connection(socket.get(), wire::Error(wire::Code::quota,
                                                "the daemon has no room for another "
                                                "connection now; try again later"));
  if (socket) metrics_.turned_away();
  const bool refused = static_cast<bool>(socket);
  socket.reset();
  spare_ = open_spare();
  return refused;
}

void refuse_connection(int socket, const wire::Error& error) {
  std::string message;
  wire::append_error_response(message, 0, error);
  [[maybe_unused]] const auto sent =
      ::send(socket, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace gpumodel::broker
