// A daemon that says exactly what a test's script tells it to, truths and lies, over a real AF_UNIX
// socket. It shares no code with libgpumodel: nlohmann-json reads and writes the MessagePack.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace gpumodel::test {

using json = nlohmann::json;

struct Incoming {
  int type = 0;  // 0 request, 2 notification
  std::uint32_t id = 0;
  std::string method;
  json params;
  std::string bytes;  // as they came
};

// The client has closed the connection.
struct Closed : std::runtime_error {
  Closed() : std::runtime_error("the client closed the connection") {}
};

// MessagePack of `message`, a whole one: [1, id, nil, {...}].
std::string packed(const json& message);

// One accepted connection. Not thread-safe.
class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // The next message; throws Closed at the end, std::runtime_error after 20 s of silence.
  Incoming next();
  // The same, and throws unless it is a message of this method.
  Incoming expect(const std::string& method);
  // Whether the client closes within 20 s, sending nothing more.
  bool closes();

  void send(const std::string& bytes, std::size_t piece_bytes = SIZE_MAX);
  void respond(const Incoming& request, const json& result);
  void fail(const Incoming& request, int code, const std::string& name,
            const json& detail = nullptr);
  void notify(const std::string& method, const json& params);
  void chunk(const Incoming& request, int seq, const std::string& text,
             const json& tokens = json::array());

  // Reads and answers hello with the features of this version and `more`.
  Incoming greet(const json& more = json::array());
  // greet, then reads and grants one lease.acquire: ids 7, 8, ... with epoch 3.
  void greet_and_grant(const json& more = json::array());
  void grant(const Incoming& acquire);
  // Answers a lease.release as kept.
  void release(const Incoming& request);

  void hang_up();  // closes now

 private:
  int fill();  // the next byte, -1 at the end

  int fd_;
  std::string received_;
  std::size_t at_ = 0;
};

// Listens on a socket of its own in a fresh folder; each script serves one connection, one after
// the other, in a thread.
class FakeDaemon {
 public:
  using Script = std::function<void(Connection&)>;

  explicit FakeDaemon(Script script) : FakeDaemon(std::vector<Script>{std::move(script)}) {}
  explicit FakeDaemon(std::vector<Script> scripts);
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;
  ~FakeDaemon();

  const std::string& path() const { return path_; }
  const char* socket() const { return path_.c_str(); }
  // Waits for the scripts; throws what one of them threw. A script may end by Closed.
  void join();

 private:
  void run(const std::vector<Script>& scripts);

  std::string folder_;
  std::string path_;
  int listener_ = -1;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace gpumodel::test
