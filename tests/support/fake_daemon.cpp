#include "support/fake_daemon.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <istream>
#include <streambuf>

namespace gpumodel::test {
namespace {

constexpr int kPatienceMs = 20000;

// Hands the decoder one byte at a time, so that it takes no more than its message.
class ByteSource : public std::streambuf {
 public:
  explicit ByteSource(std::function<int()> next) : next_(std::move(next)) {}
  std::string taken;

 private:
  int_type underflow() override {
    if (!ready_) byte_ = next_();
    ready_ = byte_ >= 0;
    return ready_ ? byte_ : traits_type::eof();
  }
  int_type uflow() override {
    const int_type byte = underflow();
    ready_ = false;
    if (byte != traits_type::eof()) taken.push_back(static_cast<char>(byte));
    return byte;
  }

  std::function<int()> next_;
  int byte_ = -1;
  bool ready_ = false;
};

void wait_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  int count;
  do {
    count = poll(&entry, 1, kPatienceMs);
  } while (count < 0 && errno == EINTR);
  if (count == 0) throw std::runtime_error("fake daemon: the client is silent");
}

}  // namespace

std::string packed(const json& message) {
  const auto bytes = json::to_msgpack(message);
  return {bytes.begin(), bytes.end()};
}

Connection::~Connection() { hang_up(); }

void Connection::hang_up() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int Connection::fill() {
  if (at_ == received_.size()) {
    wait_readable(fd_);
    char buffer[1 << 16];
    const ssize_t count = recv(fd_, buffer, sizeof buffer, 0);
    if (count <= 0) return -1;
    received_.assign(buffer, static_cast<std::size_t>(count));
    at_ = 0;
  }
  return static_cast<unsigned char>(received_[at_++]);
}

Incoming Connection::next() {
  ByteSource source([this] { return fill(); });
  if (source.sgetc() == std::char_traits<char>::eof()) throw Closed();
  std::istream stream(&source);
  const json message = json::from_msgpack(stream, /*strict=*/false);
  Incoming incoming;
  incoming.type = message.at(0);
  const bool request = incoming.type == 0;
  if (request) incoming.id = message.at(1);
  incoming.method = message.at(request ? 2 : 1);
  incoming.params = message.at(request ? 3 : 2).at(0);
  incoming.bytes = std::move(source.taken);
  return incoming;
}

Incoming Connection::expect(const std::string& method) {
  Incoming incoming = next();
  if (incoming.method != method) {
    throw std::runtime_error("fake daemon: expected " + method + ", got " + incoming.method);
  }
  return incoming;
}

bool Connection::closes() { return fill() < 0; }

void Connection::send(const std::string& bytes, std::size_t piece_bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = std::min(piece_bytes, bytes.size() - at);
    const ssize_t count = ::send(fd_, bytes.data() + at, size, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Closed();
    at += static_cast<std::size_t>(count);
  }
}

void Connection::respond(const Incoming& request, const json& result) {
  send(packed({1, request.id, nullptr, result}));
}

void Connection::fail(const Incoming& request, int code, const std::string& name,
                      const json& detail) {
  const json error = {{"code", code},     {"name", name},      {"message", "fake: " + name},
                      {"detail", detail}, {"retryable", true}, {"retry_after_ms", 250}};
  send(packed({1, request.id, error, nullptr}));
}

void Connection::notify(const std::string& method, const json& params) {
  send(packed({2, method, json::array({params})}));
}

void Connection::chunk(const Incoming& request, int seq, const std::string& text,
                       const json& tokens) {
  notify("generate.chunk",
         {{"request", request.id}, {"seq", seq}, {"text", text}, {"tokens", tokens}});
}

Incoming Connection::greet(const json& more) {
  json features = {"lease.progress",
                   "generate.logprobs",
                   "generate.top_logprobs",
                   "generate.penalties",
                   "generate.logit_bias",
                   "generate.deadline",
                   "call_json",
                   "render"};
  for (const auto& name : more) features.push_back(name);
  Incoming hello = expect("hello");
  respond(hello, {{"protocol", 1},
                  {"daemon", {{"version", "1.0.0"}, {"pid", 1}}},
                  {"limits", {{"message_bytes", 16 << 20}, {"in_flight", 64}}},
                  {"max_wait_ms", 600000},
                  {"features", features},
                  {"session", 1}});
  return hello;
}

void Connection::grant(const Incoming& acquire) {
  json rows = json::array();
  for (const auto& model : acquire.params.at("models")) {
    rows.push_back(
        {{"lease", 7 + rows.size()}, {"epoch", 3}, {"model", model}, {"context_tokens", 2048}});
  }
  respond(acquire, {{"leases", rows}, {"waited_ms", 0}, {"load_ms", 0}});
}

void Connection::greet_and_grant(const json& more) {
  greet(more);
  grant(expect("lease.acquire"));
}

void Connection::release(const Incoming& request) {
  respond(request, {{"outcome", "kept"},
                    {"remaining_leases", 0},
                    {"expected_bytes", 0},
                    {"freed_bytes", 0},
                    {"residual_bytes", 0},
                    {"unload_ms", 0}});
}

FakeDaemon::FakeDaemon(std::vector<Script> scripts) {
  char folder[] = "/tmp/gpumodel-fake-XXXXXX";
  if (mkdtemp(folder) == nullptr) throw std::runtime_error("fake daemon: no folder");
  folder_ = folder;
  path_ = folder_ + "/api.sock";
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_, 16) != 0) {
    throw std::runtime_error("fake daemon: cannot listen on " + path_);
  }
  thread_ = std::thread([this, moved = std::move(scripts)] { run(moved); });
}

void FakeDaemon::run(const std::vector<Script>& scripts) {
  try {
    for (const Script& script : scripts) {
      wait_readable(listener_);
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;  // the test is over
      Connection connection(fd);
      try {
        script(connection);
      } catch (const Closed&) {
      }
    }
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void FakeDaemon::join() {
  if (thread_.joinable()) thread_.join();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

FakeDaemon::~FakeDaemon() {
  shutdown(listener_, SHUT_RDWR);  // ends a script that was never used
  if (thread_.joinable()) thread_.join();
  close(listener_);
  unlink(path_.c_str());
  rmdir(folder_.c_str());
}

}  // namespace gpumodel::test
