// Programs run by tests: to their end with captured output, or in the background until told otherwise.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gpumodel::test {

using Environment = std::vector<std::pair<std::string, std::string>>;

struct Finished {
  int exit_code = -1;  // 128 + N where signal N ended it, as a shell says
  std::string out;
  std::string err;
};

// A child with pipes at its standard streams. Killed, with what it started, when the object goes.
class Process {
 public:
  // `environment` is added to this process's own. Throws std::system_error.
  explicit Process(const std::vector<std::string>& arguments, const Environment& environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void write(const std::string& input);
  void close_input();
  void signal(int number);
  // Reads standard output until it holds `text`; throws std::runtime_error with all output when the
  // program ends or `limit` passes first.
  void wait_for_output(const std::string& text, std::chrono::seconds limit = std::chrono::seconds(60));
  // Closes its input, collects the rest and waits for its end; kills it and throws at `limit`.
  Finished finish(std::chrono::seconds limit = std::chrono::seconds(120));

 private:
  // False when both outputs have ended.
  bool pump(std::chrono::steady_clock::time_point deadline);

  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;
  Finished so_far_;
};

// To its end, with `input` on standard input.
Finished run(const std::vector<std::string>& arguments, const std::string& input = "",
             const Environment& environment = {});

// The first word of a field of /proc/PID/status; empty where there is no such process or field.
std::string proc_field(pid_t pid, const std::string& field);
// Whether the process exists, a zombie counted as gone.
bool is_alive(pid_t pid);
// VmRSS of a process.
std::uint64_t resident_bytes(pid_t pid);

// $GPUMODEL_BIN_DIR joined with a program's name.
std::string program(const std::string& name);

}  // namespace gpumodel::test
