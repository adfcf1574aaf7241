// A gpumodeld of one test: in a folder of its own, with models of the fake engine.
#pragma once

#include <sys/types.h>

#include <boost/test/unit_test.hpp>
#include <optional>
#include <string>
#include <vector>

#include "broker/status_rows.hpp"
#include "support/process.hpp"
#include "support/sanitized.hpp"
#include "support/wire_client.hpp"

namespace gpumodel::test {

// A model of which the device of 64 MiB that start() makes holds one.
inline constexpr const char* kForty = R"({"tensor_bytes": 41943040})";
inline constexpr const char* kDevice = "[devices.cpu]\nmemory = \"64 MiB\"\n";

class DaemonFixture {
 public:
  DaemonFixture();
  // Kills the daemon, and with it its engines; removes the folder.
  ~DaemonFixture();
  DaemonFixture(const DaemonFixture&) = delete;
  DaemonFixture& operator=(const DaemonFixture&) = delete;

  // A model for the next start: its fake.json and further keys of its table.
  void model(const std::string& name, const std::string& fake_json, const std::string& keys = "");
  // A model over the folder of `base`, which write_fake() or model() makes, with an adapter of its
  // name.
  void adapted_model(const std::string& name, const std::string& base,
                     const std::string& adapter_json, const std::string& keys = "");
  void write_fake(const std::string& name, const std::string& fake_json) const;
  // Writes the configuration, starts gpumodeld and waits for its READY.
  void start(const std::string& sections = kDevice,
             const std::string& daemon_keys = "");
  // What start() would write.
  std::string config_text(const std::string& sections, const std::string& daemon_keys) const;

  // Runs gpumodeld with these arguments; `listening` becomes descriptor 3 with $LISTEN_FDS.
  void spawn(const std::vector<std::string>& arguments, int listening = -1);
  // The next message on the notify socket that says of a change: not what tells of the state in
  // words alone, or feeds the watchdog.
  std::string next_notification();
  // The next message of any kind.
  std::string next_word();
  void wait_ready();
  // The exit status; 128 + N after signal N.
  int wait_exit();
  void signal(int number) const;

  pid_t pid() const { return pid_; }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string socket() const { return path("api.sock"); }
  // What it wrote to stderr.
  std::string log() const;
  WireClient client() const { return WireClient(socket()); }

  broker::status::Status status() const;
  broker::status::Model model_row(const std::string& name) const;
  // The engine's process, 0 where none runs.
  pid_t engine_pid() const;

 private:
  std::string folder_;
  std::string models_;  // the [models] tables
  pid_t pid_ = 0;
  int notify_ = -1;
};

// AddressSanitizer keeps freed memory, so that resident sizes say nothing; UBSan needs descriptors
// of its own.
// A precondition for tests that a sanitizer would falsify.
boost::test_tools::assertion_result without_sanitizer(boost::unit_test::test_unit_id);

}  // namespace gpumodel::test
