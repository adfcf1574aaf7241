#include "gpumodelctl/captured.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "os/fd.hpp"

namespace gpumodelctl {
namespace {

using Clock = std::chrono::steady_clock;
using gpumodel::os::Fd;

constexpr std::size_t kMostBytes = 1u << 20;
constexpr int kCannotStart = 127;

struct Pipe {
  Fd read, write;
};

Pipe make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot make a pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

pid_t start(const std::vector<std::string>& words, int out, int err, int& error) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  pid_t pid = -1;
  error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? pid : -1;
}

// False at the end of this output.
bool take(int fd, std::string& text) {
  char buffer[65536];
  const ssize_t size = read(fd, buffer, sizeof buffer);
  if (size <= 0) return size < 0 && errno == EINTR;
  text.append(buffer, std::min(static_cast<std::size_t>(size), kMostBytes - text.size()));
  return true;
}

// Both outputs to their ends; false where the limit comes first.
bool collect(std::array<Fd, 2>& ends, Captured& into, Clock::time_point until) {
  while (ends[0] || ends[1]) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    pollfd entries[] = {{ends[0] ? ends[0].get() : -1, POLLIN, 0},
                        {ends[1] ? ends[1].get() : -1, POLLIN, 0}};
    if (poll(entries, 2, static_cast<int>(left)) < 0 && errno != EINTR) return true;
    for (std::size_t i = 0; i < 2; ++i)
      if (entries[i].revents != 0 && !take(ends[i].get(), i == 0 ? into.out : into.err))
        ends[i].reset();
  }
  return true;
}

}  // namespace

Captured capture(const std::vector<std::string>& words, std::chrono::milliseconds limit) {
  Captured captured;
  Pipe out = make_pipe(), err = make_pipe();
  int error = 0;
  const pid_t pid = start(words, out.write.get(), err.write.get(), error);
  if (pid < 0) {
    captured.exit = kCannotStart;
    captured.err = std::generic_category().message(error);
    return captured;
  }
  out.write.reset();
  err.write.reset();
  std::array<Fd, 2> ends{std::move(out.read), std::move(err.read)};
  const bool in_time = collect(ends, captured, Clock::now() + limit);
  if (!in_time) kill(pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (in_time) captured.exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return captured;
}

}  // namespace gpumodelctl
