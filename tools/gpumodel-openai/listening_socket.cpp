#include "gpumodel-openai/listening_socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace gpumodel_openai {
namespace {

[[noreturn]] void fail(int fd, const std::string& what) {
  const int error = errno;
  if (fd >= 0) ::close(fd);
  throw std::system_error(error, std::generic_category(), what);
}

int make_socket(int family, const std::string& what) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail(fd, what);
  return fd;
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw std::runtime_error(path + ": longer than a socket's path may be");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

void remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return;
  if (!S_ISSOCK(info.st_mode)) throw std::runtime_error(path + ": it is there, and is no socket");
  const int fd = make_socket(AF_UNIX, path);
  const bool is_served =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int error = errno;
  ::close(fd);
  if (is_served) throw std::runtime_error(path + ": somebody serves there already");
  if (error == ECONNREFUSED) ::unlink(path.c_str());
}

int port_of(const std::string& address, std::size_t colon) {
  int port = -1;
  const char* first = address.data() + colon + 1;
  const char* last = address.data() + address.size();
  const auto [end, error] = std::from_chars(first, last, port);
  if (error != std::errc() || end != last || port < 0 || port > 65535)
    throw std::runtime_error(address + ": expected HOST:PORT");
  return port;
}

template <class Address>
int bind_and_listen(int family, const Address& address, const std::string& what) {
  const int fd = make_socket(family, what);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail(fd, what);
  if (::listen(fd, SOMAXCONN) != 0) fail(fd, what);
  return fd;
}

}  // namespace

int listen_on_path(const std::string& path) {
  const sockaddr_un address = address_of(path);
  remove_stale(path, address);
  const mode_t mask = ::umask(0177);
  try {
    const int fd = bind_and_listen(AF_UNIX, address, path);
    ::umask(mask);
    return fd;
  } catch (...) {
    ::umask(mask);
    throw;
  }
}

int listen_on_loopback(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos) throw std::runtime_error(address + ": expected HOST:PORT");
  const std::string host = address.substr(0, colon);
  const auto port = static_cast<in_port_t>(port_of(address, colon));
  if (host == "[::1]") {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_addr = in6addr_loopback;
    six.sin6_port = htons(port);
    return bind_and_listen(AF_INET6, six, address);
  }
  if (host != "127.0.0.1" && host != "localhost")
    throw std::runtime_error(address +
                             ": only 127.0.0.1 and [::1] are served; this is one user's own");
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  four.sin_port = htons(port);
  return bind_and_listen(AF_INET, four, address);
}

std::string bound_address(int fd) {
  sockaddr_in6 address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  const bool is_six = address.sin6_family == AF_INET6;
  const in_port_t port =
      is_six ? address.sin6_port : reinterpret_cast<const sockaddr_in&>(address).sin_port;
  return (is_six ? "[::1]:" : "127.0.0.1:") + std::to_string(ntohs(port));
}

}  // namespace gpumodel_openai
