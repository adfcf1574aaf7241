#include "support/daemon_fixture.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

namespace gpumodel::test {
namespace {

namespace fs = std::filesystem;

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr)
    throw std::runtime_error(std::string(name) + " is not set; run the test through ctest");
  return value;
}

void link_or_copy(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (error) fs::copy_file(from, to);
}

int bound_notify_socket(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::system_error(errno, std::generic_category(), path);
  return fd;
}

}  // namespace

// gpumodeld looks for gpumodel-engine beside itself: here that is the fake one.
DaemonFixture::DaemonFixture() {
  std::string name = (fs::temp_directory_path() / "gpumodeld-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), name);
  folder_ = name;
  fs::create_directory(path("bin"));
  link_or_copy(from_environment("GPUMODEL_BIN_DIR") + "/gpumodeld", path("bin/gpumodeld"));
  link_or_copy(from_environment("GPUMODEL_TEST_BIN_DIR") + "/fake_engine",
               path("bin/gpumodel-engine"));
  notify_ = bound_notify_socket(path("notify"));
}

DaemonFixture::~DaemonFixture() {
  if (pid_ != 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(notify_);
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void DaemonFixture::write_fake(const std::string& name, const std::string& fake_json) const {
  fs::create_directories(path("models/" + name));
  std::ofstream(path("models/" + name + "/fake.json")) << fake_json;
}

void DaemonFixture::model(const std::string& name, const std::string& fake_json,
                          const std::string& keys) {
  write_fake(name, fake_json);
  models_ += "[models." + name + "]\npath = \"models/" + name + "\"\n" + keys + "\n";
}

void DaemonFixture::adapted_model(const std::string& name, const std::string& base,
                                  const std::string& adapter_json, const std::string& keys) {
  write_fake(name, adapter_json);
  models_ += "[models." + name + "]\npath = \"models/" + base + "\"\nadapter = \"models/" + name +
             "\"\n" + keys + "\n";
}

std::string DaemonFixture::config_text(const std::string& sections,
                                       const std::string& daemon_keys) const {
  return "[daemon]\nsocket = \"" + socket() + "\"\n" + daemon_keys + "\n" + sections + "\n" +
         models_;
}

void DaemonFixture::start(const std::string& sections, const std::string& daemon_keys) {
  std::ofstream(path("gpumodeld.toml")) << config_text(sections, daemon_keys);
  spawn({"--config", path("gpumodeld.toml"), "--log-level", "debug"});
  wait_ready();
}

void DaemonFixture::spawn(const std::vector<std::string>& arguments, int listening) {
  std::vector<std::string> all{path("bin/gpumodeld")};
  all.insert(all.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : all) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string log_path = path("log");
  const std::string notify_path = path("notify");
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::setenv("NOTIFY_SOCKET", notify_path.c_str(), 1);
  if (listening >= 0) {
    if (listening == 3) {
      ::fcntl(3, F_SETFD, 0);
    } else {
      ::dup2(listening, 3);
    }
    ::setenv("LISTEN_FDS", "1", 1);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  }
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

std::string DaemonFixture::next_notification() {
  for (;;) {
    const std::string word = next_word();
    if (!word.starts_with("STATUS=") && word != "WATCHDOG=1") return word;
  }
}

std::string DaemonFixture::next_word() {
  pollfd poll{notify_, POLLIN, 0};
  if (::poll(&poll, 1, static_cast<int>(kPatience.count())) <= 0)
    throw std::runtime_error("gpumodeld notified nothing; its log: " + log());
  char buffer[4096];
  const auto size = ::recv(notify_, buffer, sizeof buffer, 0);
  return std::string(buffer, size > 0 ? static_cast<std::size_t>(size) : 0);
}

void DaemonFixture::wait_ready() {
  while (next_notification().find("READY=1") == std::string::npos) {
  }
}

int DaemonFixture::wait_exit() {
  int status = 0;
  const bool ended = eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; });
  if (!ended) throw std::runtime_error("gpumodeld did not exit; its log: " + log());
  pid_ = 0;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void DaemonFixture::signal(int number) const { ::kill(pid_, number); }

std::string DaemonFixture::log() const {
  std::ostringstream text;
  text << std::ifstream(path("log")).rdbuf();
  return text.str();
}

broker::status::Status DaemonFixture::status() const {
  return client().call<broker::status::Status>("status", wire::Empty{});
}

broker::status::Model DaemonFixture::model_row(const std::string& name) const {
  for (const auto& row : status().models)
    if (row.name == name) return row;
  throw std::runtime_error("status has no model " + name);
}

pid_t DaemonFixture::engine_pid() const {
  const auto devices = status().devices;
  return devices.empty() ? 0 : static_cast<pid_t>(devices.front().engine.pid.value_or(0));
}

boost::test_tools::assertion_result without_sanitizer(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result result(!kSanitized);
  result.message() << "a sanitizer changes what is measured here";
  return result;
}

}  // namespace gpumodel::test
