#include "support/wire_client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

namespace gpumodel::test {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

bool eventually(const std::function<bool()>& holds) {
  const auto deadline = Clock::now() + kPatience;
  while (!holds()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

WireClient::WireClient(const std::string& socket_path) {
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
  if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    if (fd_ >= 0) ::close(fd_);
    throw std::system_error(error, std::generic_category(), "connect " + socket_path);
  }
}

WireClient::~WireClient() {
  if (fd_ >= 0) ::close(fd_);
}

WireClient::WireClient(WireClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      next_id_(other.next_id_),
      reader_(std::move(other.reader_)),
      answers_(std::move(other.answers_)) {}

wire::AcquireParams wanted(std::vector<std::string> models, std::int64_t wait_ms) {
  wire::AcquireParams params;
  params.models = std::move(models);
  params.wait_ms = wait_ms;
  return params;
}

void WireClient::send_bytes(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const auto size = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (size < 0) throw std::system_error(errno, std::generic_category(), "send");
    sent += static_cast<std::size_t>(size);
  }
}

void WireClient::send_with_fd(std::string bytes, int carried_fd) {
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof carried_fd)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof carried_fd);
  std::memcpy(CMSG_DATA(rights), &carried_fd, sizeof carried_fd);
  if (::sendmsg(fd_, &message, MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
    throw std::system_error(errno, std::generic_category(), "sendmsg");
}

void WireClient::cancel(std::uint32_t id) {
  std::string message;
  wire::append_notification(message, "cancel", wire::CancelParams{id});
  send_bytes(message);
}

wire::Frame WireClient::read_frame(milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  for (;;) {
    if (auto frame = reader_.next()) return *std::move(frame);
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    pollfd poll{fd_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&poll, 1, static_cast<int>(left.count())) == 0)
      throw std::runtime_error("no frame within the time");
    const auto room = reader_.prepare(64 * 1024);
    const auto size = ::read(fd_, room.data(), room.size());
    if (size <= 0) throw std::runtime_error("the connection ended");
    reader_.commit(static_cast<std::size_t>(size));
  }
}

wire::Frame WireClient::wait_notification(std::string_view method) {
  for (;;) {
    wire::Frame frame = read_frame();
    if (frame.kind != wire::Frame::Kind::notification) {
      answers_.push_back(std::move(frame));
    } else if (frame.method == method) {
      return frame;
    }
  }
}

Answer WireClient::wait(std::uint32_t id) {
  Answer answer;
  for (auto it = answers_.begin(); it != answers_.end(); ++it)
    if (it->id == id) {
      answer.frame = std::move(*it);
      answers_.erase(it);
      return answer;
    }
  for (;;) {
    wire::Frame frame = read_frame();
    if (frame.kind == wire::Frame::Kind::notification) {
      answer.notifications.push_back(std::move(frame));
    } else if (frame.id == id) {
      answer.frame = std::move(frame);
      return answer;
    } else {
      answers_.push_back(std::move(frame));
    }
  }
}

bool WireClient::reaches_end() {
  const auto deadline = Clock::now() + kPatience;
  char buffer[4096];
  while (Clock::now() < deadline) {
    pollfd poll{fd_, POLLIN, 0};
    if (::poll(&poll, 1, 100) > 0 && ::read(fd_, buffer, sizeof buffer) <= 0) return true;
  }
  return false;
}

wire::HelloResult WireClient::hello(const std::string& app) {
  wire::HelloParams params;
  params.client = "wire_client";
  params.app = app;
  return call<wire::HelloResult>("hello", params);
}

wire::LeaseGrant WireClient::acquire(const std::string& model, std::int64_t wait_ms) {
  return call<wire::AcquireResult>("lease.acquire", wanted({model}, wait_ms)).leases.at(0);
}

wire::ReleaseResult WireClient::release(const wire::LeaseGrant& lease) {
  return call<wire::ReleaseResult>("lease.release", wire::ReleaseParams{lease.lease, lease.epoch});
}

std::uint32_t WireClient::generate(const wire::LeaseGrant& lease, const std::string& prompt,
                                   std::int64_t max_tokens, bool stream) {
  wire::GenerateParams params;
  params.lease = lease.lease;
  params.epoch = lease.epoch;
  params.generation.prompt = prompt;
  params.generation.max_tokens = max_tokens;
  params.generation.stream = stream;
  return send("generate", params);
}

}  // namespace gpumodel::test
