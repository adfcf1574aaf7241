#include "gpumodelctl/screen.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace gpumodelctl {
namespace {

bool write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::size_t terminal_rows() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return 24;
  return size.ws_row;
}

bool read_byte(char& byte) { return read(STDIN_FILENO, &byte, 1) == 1; }

bool is_more() {
  pollfd entry{STDIN_FILENO, POLLIN, 0};
  return poll(&entry, 1, 0) > 0;
}

// Keys that send several bytes, such as arrows, mean nothing here: each is read as one escape,
// which ends with a byte from @ on (ECMA-48).
bool read_key(char& key) {
  if (!read_byte(key)) return false;
  if (key != '\033' || !is_more()) return true;
  char byte = 0;
  if (!read_byte(byte)) return false;
  if (byte != '[' && byte != 'O') return true;
  do {
    if (!is_more()) return true;
    if (!read_byte(byte)) return false;
  } while (byte < '@' || byte > '~');
  return true;
}

}  // namespace

std::string frame(const std::string& text, std::size_t rows) {
  std::string out = "\033[H";
  std::string_view rest = text;
  for (std::size_t row = 0; row < rows && !rest.empty(); ++row) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (row != 0) out += "\r\n";
    out += rest.substr(0, end);
    out += "\033[K";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out + "\033[J";
}

Screen::Screen(bool redraw) {
  signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an end, not a death
  if (redraw && isatty(STDOUT_FILENO) != 0) terminal_.emplace();
}

Screen::~Screen() {
  terminal_.reset();
  signal(SIGPIPE, SIG_DFL);
}

bool Screen::show(const std::string& text) {
  return write_all(terminal_ ? frame(text, terminal_rows()) : text);
}

Screen::Woken Screen::wait(gm_client* client, std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  const bool has_keys = terminal_ && terminal_->has_keys();
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Woken::time;
    // The library's own limit is short only where it owes the daemon something.
    const int library_ms = gm_client_poll_timeout(client);
    const int timeout_ms = static_cast<int>(std::min<std::int64_t>(left.count(), 3'600'000));
    pollfd entries[] = {
        {gm_client_fd(client), static_cast<short>(gm_client_poll_events(client)), 0},
        {STDOUT_FILENO, 0, 0},
        {has_keys ? STDIN_FILENO : -1, POLLIN, 0},
        {terminal_ ? terminal_->changed_fd() : -1, POLLIN, 0}};
    const int count =
        poll(entries, 4, library_ms >= 0 ? std::min(library_ms, timeout_ms) : timeout_ms);
    if (count < 0 && errno != EINTR) return Woken::ended;
    if (count < 0) continue;  // the signal has woken the client's descriptor, or the terminal's
    if ((entries[1].revents & (POLLERR | POLLHUP)) != 0) return Woken::ended;
    if (entries[3].revents != 0) {
      terminal_->acknowledge();
      return Woken::changed;
    }
    if (entries[2].revents != 0) return read_key(key_) && key_ != 'q' ? Woken::key : Woken::ended;
    const bool library_waits = library_ms >= 0 && library_ms < timeout_ms;
    if (entries[0].revents != 0 || (count == 0 && library_waits)) return Woken::client;
  }
}

}  // namespace gpumodelctl
