#include "support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

extern char** environ;

namespace gpumodel::test {
namespace {

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
    read = ends[0];
    write = ends[1];
  }
};

std::vector<std::string> merged_environment(const Environment& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    bool replaced = false;
    for (const auto& [name, value] : added) replaced |= text.rfind(name + "=", 0) == 0;
    if (!replaced) all.push_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Appends what there is; false at the end.
bool read_some(int fd, std::string& out) {
  char buffer[65536];
  const ssize_t size = read(fd, buffer, sizeof buffer);
  if (size > 0) out.append(buffer, static_cast<std::size_t>(size));
  return size > 0 || (size < 0 && errno == EINTR);
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const Environment& environment) {
  Pipe in, out, err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own, so that what it starts can be ended with it.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  auto words = arguments;
  auto variables = merged_environment(environment);
  const int failed = posix_spawnp(&pid_, arguments.at(0).c_str(), &actions, &attributes,
                                  pointers(words).data(), pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(in.read);
  close(out.write);
  close(err.write);
  in_ = in.write;
  out_ = out.read;
  err_ = err.read;
  if (failed != 0) {
    pid_ = -1;
    throw std::system_error(failed, std::generic_category(), arguments.at(0));
  }
}

Process::~Process() {
  if (pid_ > 0) {
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  for (const int fd : {in_, out_, err_})
    if (fd >= 0) close(fd);
}

void Process::write(const std::string& input) {
  std::size_t sent = 0;
  while (sent < input.size()) {
    const ssize_t size = ::write(in_, input.data() + sent, input.size() - sent);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) throw std::system_error(errno, std::generic_category(), "write to the program");
    sent += static_cast<std::size_t>(size);
  }
}

void Process::close_input() {
  if (in_ >= 0) close(in_);
  in_ = -1;
}

void Process::signal(int number) { kill(pid_, number); }

bool Process::pump(std::chrono::steady_clock::time_point deadline) {
  using namespace std::chrono;
  pollfd watched[] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  const auto left = duration_cast<milliseconds>(deadline - steady_clock::now()).count();
  if (left <= 0) throw std::runtime_error("the program took too long; so far: " + so_far_.out + so_far_.err);
  if (poll(watched, 2, static_cast<int>(left)) < 0 && errno != EINTR)
    throw std::system_error(errno, std::generic_category(), "poll");
  if (watched[0].revents != 0 && !read_some(out_, so_far_.out)) {
    close(out_);
    out_ = -1;
  }
  if (watched[1].revents != 0 && !read_some(err_, so_far_.err)) {
    close(err_);
    err_ = -1;
  }
  return out_ >= 0 || err_ >= 0;
}

void Process::wait_for_output(const std::string& text, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (so_far_.out.find(text) == std::string::npos)
    if (!pump(deadline))
      throw std::runtime_error("the program ended without \"" + text + "\": " + so_far_.out + so_far_.err);
}

Finished Process::finish(std::chrono::seconds limit) {
  close_input();
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (pump(deadline)) {
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  so_far_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return so_far_;
}

Finished run(const std::vector<std::string>& arguments, const std::string& input,
             const Environment& environment) {
  Process process(arguments, environment);
  process.write(input);
  return process.finish();
}

std::string proc_field(pid_t pid, const std::string& field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) != 0) continue;
    std::istringstream words(line.substr(field.size() + 1));
    std::string first;
    words >> first;
    return first;
  }
  return "";
}

bool is_alive(pid_t pid) {
  const std::string state = proc_field(pid, "State");
  return !state.empty() && state != "Z" && state != "X";
}

std::uint64_t resident_bytes(pid_t pid) {
  return std::strtoull(proc_field(pid, "VmRSS").c_str(), nullptr, 10) * 1024;
}

std::string program(const std::string& name) {
  const char* folder = std::getenv("GPUMODEL_BIN_DIR");
  return std::string(folder != nullptr ? folder : "build/release/bin") + "/" + name;
}

}  // namespace gpumodel::test
