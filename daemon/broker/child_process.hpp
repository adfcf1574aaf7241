// A program of ours in a process of its own, born with one fact: the number of its socket.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "broker/process_watch.hpp"
#include "os/fd.hpp"

namespace gpumodel::broker {

class ChildProcess {
 public:
  // Runs `program` with `arguments` and then "--fd" and the number of the child's end of a new
  // socket pair; ours comes back in `socket`, non-blocking. The child inherits stderr and nothing
  // else, and is killed when this process dies. Throws std::system_error where it cannot be
  // started; a program that cannot be executed ends with status 127. `on_exit` is called once from
  // the loop, with words for how it ended; not after destruction.
  ChildProcess(asio::io_context& io, const std::string& program, std::vector<std::string> arguments,
               os::Fd& socket, std::function<void(std::string)> on_exit);
  // Kills it, and waits for that: a killed process is gone at once, unless it hangs in the kernel.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool has_ended() const { return pid_ == 0; }
  void kill();

 private:
  void reap();

  pid_t pid_ = 0;
  ProcessWatch process_;
  std::function<void(std::string)> on_exit_;
};

}  // namespace gpumodel::broker
