#include "broker/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace gpumodel::broker {
namespace {

constexpr int kExecFailed = 127;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// In the child, between fork and exec: only async-signal-safe calls, no allocation.
[[noreturn]] void become(const char* program, char* const* arguments, int socket, pid_t parent) {
  // Also set by the program itself; here it holds from the first instruction on. The parent may
  // have died before the call took effect.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kExecFailed);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int null = ::open("/dev/null", O_RDWR);
  if (null >= 0) {
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    if (null > STDERR_FILENO) ::close(null);
  }
  ::fcntl(socket, F_SETFD, 0);
  ::execv(program, arguments);
  ::_exit(kExecFailed);
}

std::string describe(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED)
    return info.si_status == kExecFailed ? std::string("it could not be executed")
                                         : fmt::format("exit status {}", info.si_status);
  return fmt::format("signal {} ({})", info.si_status, ::strsignal(info.si_status));
}

}  // namespace

ChildProcess::ChildProcess(asio::io_context& io, const std::string& program,
                           std::vector<std::string> arguments, os::Fd& socket,
                           std::function<void(std::string)> on_exit)
    : process_(io), on_exit_(std::move(on_exit)) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
  os::Fd ours(ends[0]);
  const os::Fd theirs(ends[1]);
  if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) fail("fcntl");

  arguments.insert(arguments.begin(), program);
  arguments.push_back("--fd");
  arguments.push_back(std::to_string(theirs.get()));
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) fail("fork");
  if (pid_ == 0) become(program.c_str(), argv.data(), theirs.get(), parent);
  // Our own child, not reaped yet: its pid is nobody else's.
  os::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!process) {
    const int error = errno;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    throw std::system_error(error, std::generic_category(), "pidfd_open");
  }
  process_.start(std::move(process), [this] { reap(); });
  socket = std::move(ours);
}

ChildProcess::~ChildProcess() {
  if (has_ended()) return;
  kill();
  ::waitpid(pid_, nullptr, 0);
}

void ChildProcess::kill() {
  if (!has_ended()) ::kill(pid_, SIGKILL);
}

void ChildProcess::reap() {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG) != 0)
    info.si_code = CLD_EXITED;
  pid_ = 0;
  const auto on_exit = std::move(on_exit_);
  on_exit(describe(info));
}

}  // namespace gpumodel::broker
