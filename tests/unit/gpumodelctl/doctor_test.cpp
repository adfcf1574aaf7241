#include "gpumodelctl/doctor.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gpumodelctl/captured.hpp"
#include "support/testdata.hpp"

using namespace gpumodelctl;
using nlohmann::ordered_json;
namespace fs = std::filesystem;

namespace {

// A machine of a test's own: what stands in /proc, /sys and /dev is written by it.
struct Machine {
  Machine() {
    char name[] = "/tmp/gpumodelctl-doctor-XXXXXX";
    root = mkdtemp(name);
  }
  ~Machine() { fs::remove_all(root); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void file(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  }
  std::string script(const std::string& text) const {
    file("/script", "#!/bin/sh\n" + text);
    fs::permissions(root + "/script", fs::perms::owner_all);
    return root + "/script";
  }
  void daemon(const std::string& limits) const {
    file("/proc/42/comm", "gpumodeld\n");
    file("/proc/42/limits", limits);
  }

  std::string root;
};

const ordered_json kStatus = ordered_json::parse(R"({"daemon": {"pid": 42},
  "devices": [{"name": "cpu", "kind": "cpu", "capacity_bytes": 1073741824}],
  "host_cache": {"capacity_bytes": 1073741824, "used_bytes": 0}})");

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool is(const Finding& finding, Level level, const std::string& part) {
  BOOST_TEST(has(finding.text, part), part << " is missing in " << finding.text);
  BOOST_TEST(finding.remedy.empty() == (level == Level::ok),
             finding.text << ": " << finding.remedy);
  return finding.level == level;
}

constexpr const char* kMany =
    "Max open files            65536                65536                files\n";
constexpr const char* kFew =
    "Max open files            1024                 4096                 files\n";

}  // namespace

BOOST_FIXTURE_TEST_SUITE(doctor_test, Machine)

BOOST_AUTO_TEST_CASE(a_machine_without_a_gpu_needs_no_driver) {
  file("/sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086\n");
  file("/sys/bus/pci/devices/0000:00:02.0/class", "0x030000\n");
  file("/sys/bus/pci/devices/0000:01:00.1/vendor", "0x10de\n");  // a sound card
  file("/sys/bus/pci/devices/0000:01:00.1/class", "0x040300\n");
  BOOST_TEST(is(check_driver(root).at(0), Level::ok, "no NVIDIA GPU"));
}

BOOST_AUTO_TEST_CASE(a_gpu_needs_its_driver) {
  file("/sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n");
  file("/sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n");
  BOOST_TEST(is(check_driver(root).at(0), Level::fail, "driver is not loaded"));
  file("/proc/driver/nvidia/version",
       "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06\n");
  BOOST_TEST(is(check_driver(root).at(0), Level::ok, "580.65.06"));
}

BOOST_AUTO_TEST_CASE(the_limits_are_the_daemons) {
  daemon(kMany);
  file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  file("/proc/42/cgroup", "0::/system.slice/gpumodeld.service\n");
  file("/sys/fs/cgroup/system.slice/gpumodeld.service/memory.max", "max\n");
  Findings found = check_limits(root, kStatus);
  BOOST_REQUIRE(found.size() == 3u);
  BOOST_TEST(is(found[0], Level::ok, "the daemon may open 65536 files"));
  BOOST_TEST(is(found[1], Level::ok, "[madvise]"));
  BOOST_TEST(is(found[2], Level::ok, "no control group limits"));

  daemon(kFew);
  file("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  file("/sys/fs/cgroup/system.slice/memory.max", "1073741824\n");  // the slice's counts, too
  found = check_limits(root, kStatus);
  BOOST_TEST(is(found[0], Level::warn, "may open 1024 files"));
  BOOST_TEST(is(found[1], Level::warn, "switched off"));
  BOOST_TEST(is(found[2], Level::fail, "may have 1.00 GiB"));

  file("/sys/fs/cgroup/system.slice/memory.max", "8589934592\n");
  BOOST_TEST(is(check_limits(root, kStatus).at(2), Level::ok, "may have 8.00 GiB"));
}

BOOST_AUTO_TEST_CASE(a_process_of_the_same_number_is_not_the_daemon) {
  daemon(kFew);
  file("/proc/42/comm", "bash\n");
  BOOST_TEST(check_limits(root, kStatus).size() == 2u);
  BOOST_TEST(check_limits(root, nullptr).size() == 2u);
}

BOOST_AUTO_TEST_CASE(an_engine_that_does_not_run_says_why) {
  BOOST_TEST(is(check_engine(script("echo 1.0.0")).at(0), Level::ok, "/script, 1.0.0"));
  BOOST_TEST(is(check_engine(root + "/none").at(0), Level::fail, "No such file"));
  BOOST_TEST(is(check_engine(script("echo broken >&2; exit 3")).at(0), Level::fail, "broken"));
  const std::string lacking =
      "echo 'e: error while loading shared libraries: libtorch_cpu.so: cannot open' >&2; exit 127";
  const Finding found = check_engine(script(lacking)).at(0);
  BOOST_TEST(is(found, Level::fail, "libtorch_cpu.so"));
  BOOST_TEST(has(found.remedy, "carries the engine's libraries"));
}

BOOST_AUTO_TEST_CASE(a_socket_is_a_socket_that_one_may_open) {
  const std::string path = root + "/api.sock";
  BOOST_TEST(is(check_socket(path).at(0), Level::fail, "No such file"));
  file("/api.sock", "");
  BOOST_TEST(is(check_socket(path).at(0), Level::fail, "is no socket"));
  fs::remove(path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  BOOST_REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  chmod(path.c_str(), 0660);
  const Findings found = check_socket(path);
  BOOST_REQUIRE(found.size() == 2u);
  BOOST_TEST(is(found[0], Level::ok, "mode 0660"));
  BOOST_TEST(found[1].check == "group");
  close(fd);
}

BOOST_AUTO_TEST_CASE(a_configuration_is_the_daemons_to_judge) {
  const std::string config = root + "/g.toml";
  BOOST_TEST(is(check_config(config, "/none", "/none").at(0), Level::warn, "No such file"));
  file("/g.toml", "[models.a]\npath = \"a\"\nadapter = \"b\"\ndtype = \"int8\"\n");
  BOOST_TEST(is(check_config(config, "/none", "/none").at(0), Level::warn, "cannot be checked"));
  const std::string wrong = script("echo 'g.toml:1: wrong' >&2; exit 2");
  BOOST_TEST(is(check_config(config, wrong, "/none").at(0), Level::fail, "g.toml:1: wrong"));
}

// One script for both programs: it says what it was asked.
BOOST_AUTO_TEST_CASE(every_folder_is_the_engines_to_judge) {
  file("/g.toml",
       "[models.a]\npath = \"a\"\nadapter = \"b\"\ndtype = \"int8\"\n[models.c]\npath = \"/c\"\n");
  const std::string both = script(
      "case \"$*\" in\n"
      "  --check-config*) echo good ;;\n"
      "  *\" /c \"*) echo '{\"problems\": [\"no config.json\", \"no weights\"]}'; exit 1 ;;\n"
      "  *) echo \"$*\" >&2; echo '{\"architecture\": \"llama\", \"dtype\": \"int8\", "
      "\"tensor_bytes\": 1024}' ;;\n"
      "esac\n");
  const Findings found = check_config(root + "/g.toml", both, both);
  BOOST_REQUIRE(found.size() == 3u);
  BOOST_TEST(is(found[0], Level::ok, "good"));
  BOOST_TEST(is(found[1], Level::ok, "a: llama, int8, 1.00 KiB of weights in " + root + "/a"));
  BOOST_TEST(is(found[2], Level::fail, "c: no config.json; no weights"));
}

BOOST_AUTO_TEST_CASE(findings_are_told_to_people_and_programs) {
  const Findings findings{{"socket", Level::ok, "fine", ""},
                          {"config", Level::fail, "line 1\nline\0332", "correct it"}};
  BOOST_TEST(findings_text(findings, View{}) ==
             "ok    socket   fine\n"
             "fail  config   line 1\n"
             "               line?2\n"
             "               remedy: correct it\n"
             "\n1 ok, 0 to look at, 1 failed\n");
  const ordered_json json = findings_json(findings);
  BOOST_TEST(json.at("fail") == 1);
  BOOST_TEST(json.at("findings").at(0).at("remedy").is_null());
  BOOST_TEST(json.at("findings").at(1).at("level") == "fail");
}

BOOST_AUTO_TEST_CASE(a_program_that_hangs_is_ended) {
  const auto begin = std::chrono::steady_clock::now();
  const Captured captured =
      capture({"sh", "-c", "echo before; exec sleep 1000"}, std::chrono::milliseconds(300));
  BOOST_TEST(captured.exit == -1);
  BOOST_TEST(captured.out == "before\n");
  BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(60)));
  BOOST_TEST(capture({"sh", "-c", "kill -TERM $$"}, std::chrono::seconds(20)).exit == 143);
}

BOOST_AUTO_TEST_SUITE_END()
