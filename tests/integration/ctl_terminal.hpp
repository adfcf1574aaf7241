#pragma once

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "support/process.hpp"

namespace gpumodel::test {

// A terminal of 24 rows that a program runs on.
class Terminal {
 public:
  Terminal(std::vector<std::string> words, const Environment& environment) {
    master_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    BOOST_REQUIRE(master_ >= 0);
    BOOST_REQUIRE(grantpt(master_) == 0);
    BOOST_REQUIRE(unlockpt(master_) == 0);
    const std::string slave = ptsname(master_);
    for (const auto& [name, value] : environment) words.insert(words.begin(), name + "=" + value);
    words.insert(words.begin(), {"env", "TERM=xterm"});
    pid_ = fork();
    if (pid_ != 0) return;
    setsid();
    const int fd = open(slave.c_str(), O_RDWR);  // the controlling terminal now
    for (int standard = 0; standard < 3; ++standard) dup2(fd, standard);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  ~Terminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(master_);
  }

  void type(const std::string& keys) {
    BOOST_REQUIRE(write(master_, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
  }
  // Its foreground programs are told.
  void resize(unsigned short columns, unsigned short rows) {
    const winsize size{rows, columns, 0, 0};
    BOOST_REQUIRE(ioctl(master_, TIOCSWINSZ, &size) == 0);
  }
  void signal(int number) const { BOOST_REQUIRE(kill(pid_, number) == 0); }
  // Output so far is not looked at any more.
  void forget() { output_.clear(); }
  // Reads until the output holds `text`, or to the end for "".
  void read_until(const std::string& text) {
    while (text.empty() || output_.find(text) == std::string::npos) {
      pollfd entry{master_, POLLIN, 0};
      BOOST_REQUIRE_MESSAGE(poll(&entry, 1, 30'000) > 0, "silence after " << output_);
      char buffer[4096];
      const ssize_t size = read(master_, buffer, sizeof buffer);
      if (size <= 0) break;  // EIO: the other side has closed
      output_.append(buffer, static_cast<std::size_t>(size));
    }
  }
  int finish() {
    read_until("");
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  const std::string& output() const { return output_; }
  bool echoes() const {
    termios keys{};
    tcgetattr(master_, &keys);
    return (keys.c_lflag & ECHO) != 0;
  }

 private:
  int master_ = -1;
  pid_t pid_ = -1;
  std::string output_;
};

}  // namespace gpumodel::test
