#include "broker/metrics_textfile.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "broker/log_messages.hpp"
#include "os/fd.hpp"

namespace gpumodel::broker {
namespace {

constexpr std::chrono::seconds kWrittenWithin{10};

std::string reason() { return std::generic_category().message(errno); }

// Beside it, and not a name that node_exporter reads.
std::string aside_path(const std::string& path) { return path + ".new"; }

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno != EINTR) return false;
    if (size > 0) text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

void remove_file(const std::string& path) {
  if (path.empty()) return;
  ::unlink(path.c_str());
  ::unlink(aside_path(path).c_str());
}

// In a process of its own: a folder may be on a disk that hangs. Why not, or nothing.
std::string replace_file(const std::string& path, const std::string& text) {
  const std::string fresh = aside_path(path);
  ::unlink(fresh.c_str());  // of a daemon that was killed
  const os::Fd file(
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file) return fmt::format("{}: {}", fresh, reason());
  // Others read it, whatever the daemon's umask is.
  const bool whole = ::fchmod(file.get(), 0644) == 0 && write_all(file.get(), text) &&
                     ::rename(fresh.c_str(), path.c_str()) == 0;
  if (whole) return {};
  const std::string why = fmt::format("{}: {}", path, reason());
  ::unlink(fresh.c_str());
  return why;
}

}  // namespace

MetricsTextfile::MetricsTextfile(asio::io_context& io, const Log& log,
                                 std::function<std::string()> text, std::chrono::milliseconds every)
    : log_(log),
      text_(std::move(text)),
      every_(every),
      aside_(std::in_place, io, kWrittenWithin),
      timer_(io) {}

MetricsTextfile::~MetricsTextfile() {
  aside_.reset();
  write_to("");
}

void MetricsTextfile::write_to(const std::string& path) {
  if (path == path_) return;
  timer_.cancel();
  remove_file(path_);
  path_ = path;
  told_.clear();
  if (!path_.empty()) write();
}

void MetricsTextfile::wait() {
  timer_.expires_after(every_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) write();
  });
}

void MetricsTextfile::write() {
  if (std::exchange(writing_, true)) return;  // its end goes on with the path as it is then
  aside_->run([path = path_, text = text_()] { return replace_file(path, text); },
              [this, path = path_](const std::optional<std::string>& failure) {
                writing_ = false;
                if (path == path_) return on_written(failure);
                remove_file(path);  // it was told another one meanwhile
                if (!path_.empty()) write();
              });
}

void MetricsTextfile::on_written(const std::optional<std::string>& failure) {
  const std::string why = failure.value_or(path_ + ": it could not be written in time");
  if (why.empty()) {
    if (!told_.empty()) log_.info(messages::kTextfileWritten, {{"FILE", path_}});
  } else if (why != told_) {
    log_.warning(messages::kTextfileFailed, {{"REASON", why}});
  }
  told_ = why;
  wait();
}

}  // namespace gpumodel::broker
