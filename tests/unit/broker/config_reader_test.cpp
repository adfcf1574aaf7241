#include "broker/config.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <set>
#include <sstream>

#include "support/testdata.hpp"

using namespace gpumodel;
using broker::Config;
using broker::ConfigError;
using broker::read_config;

namespace {

constexpr std::uint64_t kMachineBytes = 16ull << 30;
constexpr std::uint64_t kGiB = 1ull << 30;

Config read(const std::string& text) { return read_config(text, "/etc/g/g.toml", kMachineBytes); }

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "(none)";
}

const std::string kModel = "[models.m]\npath = \"/m\"\n";

struct Wrong {
  const char* text;
  const char* error;
};
std::ostream& operator<<(std::ostream& out, const Wrong& wrong) { return out << wrong.text; }

const Wrong kWrong[] = {
    {"[daemon]\nsokcet = \"/s\"",
     "/etc/g/g.toml:2: daemon.sokcet: unknown key; did you mean \"socket\"?"},
    {"[deamon]\nsocket = \"/s\"", "/etc/g/g.toml:1: deamon: unknown key; did you mean \"daemon\"?"},
    {"[limits]\nzzz = 1",
     "/etc/g/g.toml:2: limits.zzz: unknown key; known here: connections, device_memory, hold, "
     "in_flight, leases, queued"},
    {"daemon = 1", "/etc/g/g.toml:1: daemon: expected a table, written [daemon]"},
    {"[daemon]\nsocket = \"api.sock\"",
     "/etc/g/g.toml:2: daemon.socket: expected an absolute path of at most 107 bytes"},
    {"[daemon]\nsocket = 4",
     "/etc/g/g.toml:2: daemon.socket: expected a text that is not empty, not 4"},
    {"[daemon]\nsocket_mode = \"0999\"",
     "/etc/g/g.toml:2: daemon.socket_mode: expected an octal mode such as \"0660\", not \"0999\""},
    {"[daemon]\nsocket_group = \"no-such-group\"",
     "/etc/g/g.toml:2: daemon.socket_group: no group \"no-such-group\" on this system; create it "
     "or remove the key"},
    {"[daemon]\nadmins = [\"no-such-user\"]",
     "/etc/g/g.toml:2: daemon.admins: no user \"no-such-user\" on this system; create it, remove "
     "the name, or write "
     "\"@no-such-user\" for a group"},
    {"[daemon]\nadmins = [\"@no-such-group\"]",
     "/etc/g/g.toml:2: daemon.admins: no group \"no-such-group\" on this system; create it or "
     "remove the name"},
    {"[daemon]\nadmins = \"root\"",
     "/etc/g/g.toml:2: daemon.admins: expected an array of texts, not 'root'"},
    {"[daemon]\nengine_grace = 60",
     "/etc/g/g.toml:2: daemon.engine_grace: expected a duration such as \"30s\" (units ms, s, m, "
     "h), not 60"},
    {"[daemon]\nresidual_threshold = \"64 MB\"",
     "/etc/g/g.toml:2: daemon.residual_threshold: expected a size such as \"4 GiB\" (units B, K, "
     "M, G, T), not '64 MB'"},
    {"[daemon]\nmetrics_textfile = \"m.prom\"",
     "/etc/g/g.toml:2: daemon.metrics_textfile: expected an absolute path that ends in \".prom\": "
     "node_exporter reads no others"},
    {"[daemon]\nmetrics_textfile = \"/var/lib/m.txt\"",
     "/etc/g/g.toml:2: daemon.metrics_textfile: expected an absolute path that ends in \".prom\": "
     "node_exporter reads no others"},
    {"[daemon]\nmetrics_textfile = true",
     "/etc/g/g.toml:2: daemon.metrics_textfile: expected a text that is not empty, not true"},
    {"[daemon]\nidle_grace = \"always\"",
     "/etc/g/g.toml:2: daemon.idle_grace: expected \"never\" or a duration such as \"30s\" (units "
     "ms, s, m, h), not 'always'"},
    {"[daemon]\nmin_residency = \"never\"",
     "/etc/g/g.toml:2: daemon.min_residency: expected a duration such as \"30s\" (units ms, s, m, "
     "h), not 'never'"},
    {"[devices.\"cuda:0\"]",
     "/etc/g/g.toml:1: devices.cuda:0: GPU devices are not supported yet; this version serves "
     "\"cpu\""},
    {"[devices.gpu]",
     "/etc/g/g.toml:1: devices.gpu: unknown device; expected \"cpu\", or \"cpu:N\" for one of "
     "several budgets"},
    {"[devices.cpu]\nmemory = \"32 GiB\"",
     "/etc/g/g.toml:1: devices: the CPU devices and the host cache together have 32 GiB, more than "
     "this machine's memory, 16 GiB, less a reserve of 1 GiB; give them less"},
    {"[devices.cpu]\nmemory = \"8 GiB\"\n[host_cache]\nmemory = \"7.5 GiB\"",
     "/etc/g/g.toml:1: devices: the CPU devices and the host cache together have 15.5 GiB, more "
     "than this machine's memory, 16 GiB, less a reserve of 1 GiB; give them less"},
    {"[host_cache]\nmemory = \"16 GiB\"",
     "/etc/g/g.toml:1: devices: the CPU devices and the host cache together have 16 GiB, more than "
     "this machine's memory, 16 GiB, less a reserve of 1 GiB; give them less"},
    {"[devices.cpu]\nmemory = \"1 GiB\"\nreserve = \"1 GiB\"",
     "/etc/g/g.toml:3: devices.cpu.reserve: expected less than the device's memory, 1 GiB"},
    {"[host_cache]\nmemory = \"8 GB\"",
     "/etc/g/g.toml:2: host_cache.memory: expected a size such as \"4 GiB\" (units B, K, M, G, T), "
     "not '8 GB'"},
    {"[limits]\nhold = 10",
     "/etc/g/g.toml:2: limits.hold: expected a duration such as \"30s\" (units ms, s, m, h), not "
     "10"},
    {"[limits]\nleases = -1",
     "/etc/g/g.toml:2: limits.leases: expected a whole number from 0 to 1048576, not -1"},
    {"[models.m]\ndtype = \"bf16\"",
     "/etc/g/g.toml:1: models.m.path: missing: a model needs its folder, e.g. path = "
     "\"/srv/models/Qwen2.5-7B-Instruct\""},
    {"[models.\"a b\"]\npath = \"/m\"",
     "/etc/g/g.toml:1: models.a b: expected a name of 1 to 128 bytes without spaces or control "
     "characters"},
    {"[models.m]\npath = \"/m\"\ndtype = \"f8\"",
     "/etc/g/g.toml:3: models.m.dtype: expected auto, bf16, fp16, fp32, int8 or int4, "
     "not \"f8\""},
    {"[models.m]\npath = \"/m\"\nauto_unload = 3",
     "/etc/g/g.toml:3: models.m.auto_unload: expected true, false or a duration such as \"10m\" "
     "(units ms, s, m, h), "
     "not 3"},
    {"[models.m]\npath = \"/m\"\ndevices = [\"cpu\"]",
     "/etc/g/g.toml:3: models.m.devices: no device \"cpu\"; add a table [devices.\"cpu\"] or use "
     "one of: (none is "
     "configured)"},
    {"[models.m]\npath = \"/m\"\nadapter = 3",
     "/etc/g/g.toml:3: models.m.adapter: expected a text that is not empty, not 3"},
    {"[models.m]\npath = \"/m\"\ntensor_parallel_size = 2",
     "/etc/g/g.toml:3: models.m.tensor_parallel_size: not supported yet: this version accepts only "
     "the default; remove "
     "the key"},
    {"[models.m]\npath = \"/m\"\npreload = 1",
     "/etc/g/g.toml:3: models.m.preload: expected true or false, not 1"},
    {"[models.m]\npath = \"/m\"\nidle_grace = 5",
     "/etc/g/g.toml:3: models.m.idle_grace: expected \"never\" or a duration such as \"30s\" "
     "(units "
     "ms, s, m, h), not 5"},
    {"[models.m]\npath = \"/m\"\ngpu_memory_utilization = 1.5",
     "/etc/g/g.toml:3: models.m.gpu_memory_utilization: expected a number above 0 and up to 1, not "
     "1.5"},
    {"[models.m]\npath = \"/m\"\ngpu_memory_utilization = 0.5\nmemory = \"1 GiB\"",
     "/etc/g/g.toml:3: models.m.gpu_memory_utilization: expected either this or memory, not both"},
    {"[models.m]\npath = \"/m\"\ncontext_tokens = 0",
     "/etc/g/g.toml:3: models.m.context_tokens: expected a whole number from 1 to 16777216, not 0"},
    {"[models.m]\npath = \"/m\"\nusers = [\"no-such-user\"]",
     "/etc/g/g.toml:3: models.m.users: no user \"no-such-user\" on this system; create it, remove "
     "the name, or write "
     "\"@no-such-user\" for a group"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(config_reader)

BOOST_AUTO_TEST_CASE(an_empty_file_has_the_defaults) {
  const Config config = read("");
  BOOST_TEST(config.daemon.socket == "/run/gpumodeld/api.sock");
  BOOST_TEST(config.daemon.socket_mode == 0660u);
  BOOST_TEST(!config.daemon.socket_group.has_value());
  BOOST_TEST(config.daemon.metrics_textfile.empty());
  BOOST_TEST(config.daemon.engine_grace.count() == 60'000);
  BOOST_TEST(config.daemon.max_wait.count() == 600'000);
  BOOST_TEST(config.daemon.drain_timeout.count() == 30'000);
  BOOST_TEST(config.daemon.residual_threshold_bytes == 64u << 20);
  BOOST_TEST(config.limits.connections == 64u);
  BOOST_TEST(config.limits.in_flight == 64u);
  BOOST_TEST(!config.limits.leases.has_value());
  BOOST_TEST(config.models.empty());
  BOOST_TEST(config.devices.empty());
}

BOOST_AUTO_TEST_CASE(every_served_key_is_read) {
  const Config config = read(R"(
[daemon]
socket = "/tmp/s"
socket_mode = "0600"
socket_group = "root"
admins = ["root", "@root"]
engine_grace = "1s"
max_wait = "2m"
drain_timeout = "3s"
residual_threshold = "1 MiB"
idle_grace = "40s"
min_residency = "1s"
[devices.cpu]
memory = "4 GiB"
reserve = "1 GiB"
[devices."cpu:1"]
[host_cache]
memory = "3 GiB"
[models.a]
path = "a"
auto_unload = false
context_tokens = 8192
dtype = "fp32"
memory = "2 GiB"
devices = ["cpu"]
users = ["root"]
tensor_parallel_size = 1
preload = true
pin = true
speculation = false
idle_grace = "never"
[models.b]
path = "/b"
auto_unload = "10m"
gpu_memory_utilization = 0.5
[limits]
leases = 8
queued = 0
connections = 3
in_flight = 2
hold = "10m"
device_memory = "2 GiB"
)");
  BOOST_TEST(config.daemon.socket == "/tmp/s");
  BOOST_TEST(config.daemon.socket_mode == 0600u);
  BOOST_TEST(config.daemon.socket_group.value() == 0u);
  BOOST_TEST(config.daemon.admins.contains(0, {}));
  BOOST_TEST(config.daemon.max_wait.count() == 120'000);
  BOOST_TEST(config.daemon.idle_grace.value().count() == 40'000);
  BOOST_TEST(config.daemon.min_residency.count() == 1'000);
  BOOST_TEST(config.host_cache_bytes == 3 * kGiB);
  BOOST_TEST(config.daemon.residual_threshold_bytes == 1u << 20);
  BOOST_TEST(config.devices.size() == 2u);
  BOOST_TEST(config.devices[0].memory_bytes == 4 * kGiB);
  BOOST_TEST(config.devices[0].reserve_bytes == kGiB);
  BOOST_TEST(config.devices[1].memory_bytes == kMachineBytes / 2);  // half the RAM
  const auto& a = config.models.at(0);
  BOOST_TEST(a.path == "/etc/g/a");  // relative to the file
  BOOST_TEST((a.auto_unload.kind == core::AutoUnload::Kind::when_needed));
  BOOST_TEST(a.context_tokens == 8192u);
  BOOST_TEST(a.dtype == "fp32");
  BOOST_TEST(a.memory_cap_bytes == 2 * kGiB);
  BOOST_TEST(a.devices == std::vector<std::string>{"cpu"}, boost::test_tools::per_element());
  BOOST_TEST(a.users.value().contains(0, {}));
  BOOST_TEST(!a.users.value().contains(1, {1}));
  const auto& b = config.models.at(1);
  BOOST_TEST((b.auto_unload.kind == core::AutoUnload::Kind::after));
  BOOST_TEST(b.auto_unload.after.count() == 600'000);
  BOOST_TEST(b.memory_cap_bytes == 2 * kGiB);  // half of the smaller device
  BOOST_TEST(b.devices.size() == 2u);
  BOOST_TEST(!b.users.has_value());
  BOOST_TEST(!a.idle_grace.has_value());  // never
  BOOST_TEST(a.pin);
  BOOST_TEST(a.preload);
  BOOST_TEST(!a.speculation);
  BOOST_TEST(b.idle_grace.value().count() == 40'000);  // the daemon's
  BOOST_TEST(!b.pin);
  BOOST_TEST(!b.preload);
  BOOST_TEST(b.speculation);
  BOOST_TEST(config.limits.leases.value() == 8u);
  BOOST_TEST(config.limits.queued.value() == 0u);
  BOOST_TEST(config.limits.connections == 3u);
  BOOST_TEST(config.limits.hold.value().count() == 600'000);
  BOOST_TEST(config.limits.device_memory_bytes.value() == 2 * kGiB);
}

BOOST_AUTO_TEST_CASE(root_always_administrates) {
  BOOST_TEST(read("").daemon.admins.contains(0, {}));
  BOOST_TEST(!read("").daemon.admins.contains(12345, {12345}));
  const Config config = read("[daemon]\nadmins = [\"@root\", \"nobody\"]");
  BOOST_TEST(config.daemon.admins.contains(0, {}));
  BOOST_TEST(config.daemon.admins.contains(12345, {0}));
  BOOST_TEST(!config.daemon.admins.contains(12345, {12345}));
}

BOOST_AUTO_TEST_CASE(names_are_looked_up_in_the_directory_that_is_given) {
  const broker::Directory directory{
      [](const std::string& name) {
        return name == "alice" ? std::optional<uid_t>(1001) : std::nullopt;
      },
      [](const std::string& name) {
        return name == "gpumodel-admin" ? std::optional<gid_t>(77) : std::nullopt;
      }};
  const Config config =
      read_config(kModel + "users = [\"alice\"]\n", "/etc/g/g.toml", kMachineBytes, directory);
  BOOST_TEST(config.models.at(0).users.value().contains(1001, {}));
  BOOST_TEST(config.daemon.admins.contains(5, {77}));  // the default, where there is such a group
  BOOST_CHECK_THROW(
      read_config("[daemon]\nadmins = [\"root\"]", "/etc/g/g.toml", kMachineBytes, directory),
      ConfigError);
}

BOOST_AUTO_TEST_CASE(auto_unload_is_true_by_default) {
  BOOST_TEST(
      (read(kModel).models.at(0).auto_unload.kind == core::AutoUnload::Kind::at_last_release));
}

BOOST_DATA_TEST_CASE(a_mistake_names_file_line_key_and_remedy,
                     boost::unit_test::data::make(kWrong)) {
  BOOST_TEST(error_of(sample.text) == sample.error);
}

BOOST_AUTO_TEST_CASE(all_mistakes_are_told_in_the_order_of_lines) {
  BOOST_TEST(error_of("[limits]\nleases = -1\n[daemon]\nmax_wait = 1\n") ==
             "/etc/g/g.toml:2: limits.leases: expected a whole number from 0 to 1048576, not -1\n"
             "/etc/g/g.toml:4: daemon.max_wait: expected a duration such as \"30s\" (units ms, s, "
             "m, h), not 1");
}

BOOST_AUTO_TEST_CASE(what_is_no_toml_names_its_line) {
  BOOST_TEST(error_of("[daemon]\nsocket = \n").rfind("/etc/g/g.toml:2: not TOML: ", 0) == 0u);
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_named) {
  BOOST_CHECK_EXCEPTION(broker::read_config_file("/nonexistent/g.toml"), ConfigError,
                        [](const ConfigError& error) {
                          return std::string(error.what()) ==
                                 "/nonexistent/g.toml: the configuration cannot be read: No such "
                                 "file or directory; name another file with "
                                 "--config";
                        });
}

// gpumodeld.conf(5): keys begin their lines below the section that they are of.
BOOST_AUTO_TEST_CASE(every_key_is_in_the_manual) {
  std::set<std::string> explained;
  std::istringstream page(test::read_file(test::source_path("man/gpumodeld.conf.5.scd")));
  std::string section;
  for (std::string line; std::getline(page, line);) {
    if (line.rfind("# ", 0) == 0)
      section = line.rfind("# [", 0) == 0 ? line.substr(3, line.size() - 4) : "";
    const std::size_t end = line.find("* = ");
    if (section.empty() || line.rfind('*', 0) != 0 || end == std::string::npos) continue;
    std::string key = line.substr(1, end - 1);
    std::erase(key, '\\');
    explained.insert(section + '.' + key);
  }
  const auto keys = broker::config_keys();
  const std::set<std::string> known(keys.begin(), keys.end());
  BOOST_TEST(known.count("models.MODEL.path") == 1u);
  BOOST_TEST(known.count("devices.DEVICE.reserve") == 1u);
  for (const std::string& key : known)
    BOOST_TEST(explained.count(key) == 1u, key << " is not explained");
  for (const std::string& key : explained) BOOST_TEST(known.count(key) == 1u, "no key " << key);
}

BOOST_AUTO_TEST_SUITE_END()
