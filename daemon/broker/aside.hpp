// Work that may block, such as asking the system's user database, done in a forked copy of this
// process, so that the loop never waits for it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "broker/process_watch.hpp"
#include "os/fd.hpp"

namespace gpumodel::broker {

class Aside {
 public:
  // `limit`: work that takes longer is killed.
  Aside(asio::io_context& io, std::chrono::milliseconds limit);
  // Kills what still works.
  ~Aside();
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

  // `work` runs in the copy, which has no descriptors but the standard ones; what it returns is
  // handed to `on_done` from the loop. Nothing where the copy could not be made, threw, died or was
  // killed.
  using OnDone = std::function<void(std::optional<std::string>)>;
  void run(const std::function<std::string()>& work, OnDone on_done);

 private:
  struct Job {
    explicit Job(asio::io_context& io) : end(io), output(io), limit(io) {}
    pid_t pid = 0;
    os::Fd process;  // a pidfd, until `end` has it
    ProcessWatch end;
    asio::posix::stream_descriptor output;
    asio::steady_timer limit;
    std::string bytes;
    OnDone on_done;
  };

  void read_more(std::uint64_t number);
  void finish(std::uint64_t number);

  asio::io_context& io_;
  std::chrono::milliseconds limit_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Job>> jobs_;
  std::uint64_t last_ = 0;
  Alive alive_;
};

}  // namespace gpumodel::broker
