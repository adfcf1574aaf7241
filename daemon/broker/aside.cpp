#include "broker/aside.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <exception>

namespace gpumodel::broker {
namespace {

// Follows what was returned: without it the copy died on the way.
constexpr char kWhole = '.';

bool write_all(int fd, const std::string& bytes) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t size = ::write(fd, bytes.data() + written, bytes.size() - written);
    if (size < 0 && errno != EINTR) return false;
    if (size > 0) written += static_cast<std::size_t>(size);
  }
  return true;
}

// In the copy. This process has one thread, so that anything may be called.
[[noreturn]] void work_and_exit(const std::function<std::string()>& work, int output) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::signal(number, SIG_DFL);
  // Clients' connections must not stay open for as long as this takes.
  ::dup2(output, 3);
  ::close_range(4, ~0u, 0);
  try {
    const std::string result = work() + kWhole;
    ::_exit(write_all(3, result) ? 0 : 1);
  } catch (const std::exception&) {
    ::_exit(1);
  }
}

}  // namespace

Aside::Aside(asio::io_context& io, std::chrono::milliseconds limit) : io_(io), limit_(limit) {}

Aside::~Aside() {
  for (const auto& [number, job] : jobs_) {
    ::kill(job->pid, SIGKILL);
    ::waitpid(job->pid, nullptr, 0);
  }
}

void Aside::run(const std::function<std::string()>& work, OnDone on_done) {
  int ends[2] = {-1, -1};
  const bool has_pipe = ::pipe2(ends, O_CLOEXEC) == 0;
  os::Fd ours(ends[0]);
  os::Fd theirs(ends[1]);
  const pid_t pid = has_pipe ? ::fork() : -1;
  if (pid == 0) work_and_exit(work, theirs.get());
  os::Fd process(pid > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)) : -1);
  if (!process) {
    if (pid > 0) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    asio::post(io_, alive_.guard([on_done = std::move(on_done)] { on_done(std::nullopt); }));
    return;
  }
  const std::uint64_t number = ++last_;
  Job& job = *jobs_.emplace(number, std::make_unique<Job>(io_)).first->second;
  job.pid = pid;
  job.on_done = std::move(on_done);
  job.process = std::move(process);
  job.output.assign(ours.release());
  job.limit.expires_after(limit_);
  job.limit.async_wait(alive_.guard([this, number](const boost::system::error_code& error) {
    const auto late = jobs_.find(number);
    if (!error && late != jobs_.end()) ::kill(late->second->pid, SIGKILL);
  }));
  read_more(number);
}

void Aside::read_more(std::uint64_t number) {
  constexpr std::size_t kReadBytes = 64 * 1024;
  Job& job = *jobs_.at(number);
  const std::size_t had = job.bytes.size();
  job.bytes.resize(had + kReadBytes);
  job.output.async_read_some(
      asio::buffer(job.bytes.data() + had, kReadBytes),
      alive_.guard([this, number, had](const boost::system::error_code& error, std::size_t size) {
        Job& read = *jobs_.at(number);
        read.bytes.resize(had + size);
        if (!error) return read_more(number);
        // The copy has ended, or is about to.
        read.end.start(std::move(read.process), [this, number] { finish(number); });
      }));
}

void Aside::finish(std::uint64_t number) {
  const auto job = std::move(jobs_.at(number));
  jobs_.erase(number);
  ::waitpid(job->pid, nullptr, 0);
  job->limit.cancel();
  const bool whole = !job->bytes.empty() && job->bytes.back() == kWhole;
  if (whole) job->bytes.pop_back();
  job->on_done(whole ? std::optional(std::move(job->bytes)) : std::nullopt);
}

}  // namespace gpumodel::broker
