#include "gpumodelctl/child.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace gpumodelctl {
namespace {

constexpr int kCannotStart = 127;
constexpr std::array kPassedOn{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), "cannot make a descriptor");
  }
  ~Fd() { close(fd_); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Blocks the passed-on signals and SIGCHLD in this thread while it lives.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigemptyset(&blocked_);
    sigaddset(&blocked_, SIGCHLD);
    for (const int number : kPassedOn) sigaddset(&blocked_, number);
    sigprocmask(SIG_BLOCK, &blocked_, &before_);
  }
  ~BlockedSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  const sigset_t& blocked() const { return blocked_; }
  const sigset_t& before() const { return before_; }

 private:
  sigset_t blocked_, before_;
};

[[noreturn]] void become(const std::vector<std::string>& words, const sigset_t& mask) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execvp(arguments[0], arguments.data());
  fmt::print(stderr, "gpumodelctl: cannot start {}: {}\n", words[0], std::strerror(errno));
  _exit(kCannotStart);
}

// Takes what has arrived; `child` 0: for nobody.
void pass_on(const Fd& signals, pid_t child) {
  signalfd_siginfo info;
  while (read(signals.get(), &info, sizeof info) == sizeof info) {
    // SI_KERNEL: the terminal's, which sent it to the whole foreground group.
    if (child != 0 && info.ssi_signo != SIGCHLD && info.ssi_code != SI_KERNEL)
      kill(child, static_cast<int>(info.ssi_signo));
  }
}

// Its exit status as a shell says it; -1: it runs.
int reap(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, WNOHANG) != child) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

int run_child(const std::vector<std::string>& words, const std::string& socket_path,
              gm_client* client, const std::function<void()>& lost) {
  setenv("GPUMODEL_SOCKET", socket_path.c_str(), 1);
  const BlockedSignals signals;
  const Fd incoming(signalfd(-1, &signals.blocked(), SFD_CLOEXEC | SFD_NONBLOCK));
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "cannot start a process");
  if (child == 0) become(words, signals.before());
  bool connected = true;
  for (;;) {
    if (const int status = reap(child); status >= 0) {
      pass_on(incoming, 0);  // what was meant for it does not end us now
      return status;
    }
    pollfd entries[] = {{incoming.get(), POLLIN, 0},
                        {connected ? gm_client_fd(client) : -1,
                         static_cast<short>(gm_client_poll_events(client)), 0}};
    poll(entries, 2, connected ? gm_client_poll_timeout(client) : -1);
    pass_on(incoming, child);
    if (connected && gm_client_dispatch(client, 0) < 0) {
      connected = false;
      lost();
    }
  }
}

}  // namespace gpumodelctl
