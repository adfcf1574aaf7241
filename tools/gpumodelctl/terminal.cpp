#include "gpumodelctl/terminal.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string_view>

namespace gpumodelctl {
namespace {

// Another screen, no cursor, no wrapping; and back.
constexpr std::string_view kEnter = "\033[?1049h\033[?25l\033[?7l";
constexpr std::string_view kLeave = "\033[?7h\033[?25h\033[?1049l";

// What signal handlers need: written before they are installed, and only read by them.
struct Saved {
  bool has_keys = false;
  termios before{};
  termios keys{};
  int changed_fd = -1;
};
Saved saved;

constexpr std::array kSignals{SIGTSTP, SIGCONT, SIGWINCH};
std::array<struct sigaction, kSignals.size()> actions_before;

// All of this is async-signal-safe (signal-safety(7)).

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void enter() {
  if (saved.has_keys) tcsetattr(STDIN_FILENO, TCSANOW, &saved.keys);
  write_all(kEnter);
}

void leave() {
  write_all(kLeave);
  if (saved.has_keys) tcsetattr(STDIN_FILENO, TCSANOW, &saved.before);
}

void note_change() {
  const std::uint64_t one = 1;
  // It fails only where the counter is full, which is as good.
  [[maybe_unused]] const ssize_t written = write(saved.changed_fd, &one, sizeof one);
}

void on_change(int number) {
  const int error = errno;
  if (number == SIGCONT) enter();
  note_change();
  errno = error;
}

// Stops as if the signal had not been caught, and goes on from here.
void on_stop(int) {
  const int error = errno;
  leave();
  struct sigaction ours = {}, stopping = {};
  stopping.sa_handler = SIG_DFL;
  sigaction(SIGTSTP, &stopping, &ours);
  raise(SIGTSTP);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTSTP);
  sigprocmask(SIG_UNBLOCK, &blocked, &before);  // here it stops
  sigprocmask(SIG_SETMASK, &before, nullptr);
  sigaction(SIGTSTP, &ours, nullptr);
  enter();
  note_change();
  errno = error;
}

}  // namespace

Terminal::Terminal() : changed_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  saved = {};
  saved.changed_fd = changed_fd_;
  if (tcgetattr(STDIN_FILENO, &saved.before) == 0) {
    saved.has_keys = true;
    saved.keys = saved.before;
    saved.keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  }
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action = {};
    action.sa_handler = kSignals[i] == SIGTSTP ? on_stop : on_change;
    sigaction(kSignals[i], &action, &actions_before[i]);
  }
  enter();
}

Terminal::~Terminal() {
  for (std::size_t i = 0; i < kSignals.size(); ++i)
    sigaction(kSignals[i], &actions_before[i], nullptr);
  leave();
  close(changed_fd_);
}

bool Terminal::has_keys() const { return saved.has_keys; }

void Terminal::acknowledge() const {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = read(changed_fd_, &count, sizeof count);
}

}  // namespace gpumodelctl
