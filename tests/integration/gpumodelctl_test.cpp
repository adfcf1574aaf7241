// The real gpumodelctl against the real gpumodeld with the fake engine: what status says is what
// the kernel says, and every command does on the daemon what it says that it does.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/daemon_fixture.hpp"
#include "support/process.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using nlohmann::json;

namespace {

constexpr std::uint64_t kTensorBytes = 41943040;

struct ToolFixture : DaemonFixture {
  ToolFixture() {
    model("concept", kForty, "auto_unload = false");
    model("attribute", kForty);
  }

  Environment environment() const { return {{"GPUMODEL_SOCKET", socket()}}; }
  static std::vector<std::string> command(std::vector<std::string> words) {
    words.insert(words.begin(), program("gpumodelctl"));
    return words;
  }
  Finished tool(std::vector<std::string> words, const std::string& input = "") const {
    return run(command(std::move(words)), input, environment());
  }
  // The JSON of a command that must succeed.
  json told(std::vector<std::string> words) const {
    words.emplace_back("--json");
    const Finished done = tool(std::move(words));
    BOOST_REQUIRE_MESSAGE(done.exit_code == 0, done.out << done.err << log());
    return json::parse(done.out);
  }
  json row(const char* table, const char* key, const json& value) const {
    const json status = told({"status"});
    for (const json& candidate : status.at(table))
      if (candidate.at(key) == value) return candidate;
    BOOST_FAIL("status." << table << " has no row with " << key << " " << value);
    return {};
  }
  // The daemon is ready before it has looked at its models.
  void start_known(const std::string& daemon_keys = "") {
    start(kDevice, daemon_keys);
    BOOST_REQUIRE(eventually(
        [&] { return model_row("concept").device_bytes && model_row("attribute").device_bytes; }));
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string user_by_getent() {
  const Finished done = run({"getent", "passwd", std::to_string(getuid())});
  return done.out.substr(0, done.out.find(':'));
}

void require_fields(const json& map, const std::vector<const char*>& fields, const char* what) {
  for (const char* field : fields) BOOST_TEST(map.contains(field), what << " lacks " << field);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(gpumodelctl, ToolFixture)

// DESIGN.md, section 5.
BOOST_AUTO_TEST_CASE(status_has_every_field) {
  start_known();
  auto holder = client(), waiter = client();
  const auto lease = holder.acquire("concept");
  wire::AcquireParams params;
  params.models = {"attribute"};
  const auto running = holder.generate(lease, "alpha", 5000);  // so that the lease is not idle
  waiter.send("lease.acquire", params);
  BOOST_REQUIRE(eventually([&] { return !status().queue.empty(); }));
  const json status = told({"status"});
  require_fields(
      status, {"schema", "daemon", "devices", "weights", "models", "leases", "queue", "host_cache"},
      "status");
  BOOST_TEST(status.at("schema") == 1);
  require_fields(status.at("daemon"), {"version", "protocol", "pid", "uptime_s", "draining"},
                 "daemon");
  require_fields(status.at("devices").at(0),
                 {"name", "kind", "state", "capacity_bytes", "reserve_bytes", "foreign_bytes",
                  "yielded_bytes", "used_bytes", "free_bytes", "draining", "engine"},
                 "devices");
  require_fields(status.at("devices").at(0).at("engine"),
                 {"state", "pid", "restarts", "resident_bytes"}, "engine");
  require_fields(
      status.at("weights").at(0),
      {"id", "device", "residency", "tensor_bytes", "kv_bytes", "workspace_bytes", "models"},
      "weights");
  require_fields(
      status.at("models").at(0),
      {"name", "state", "device", "dtype", "architecture", "context_tokens", "device_bytes",
       "adapter_bytes", "pinned", "leases", "waiting", "since_ms", "load", "unload", "error"},
      "models");
  const json concept_row = row("models", "name", "concept");
  require_fields(concept_row.at("load"), {"ms", "bytes"}, "load");
  require_fields(
      status.at("leases").at(0),
      {"id", "epoch", "model", "state", "uid", "user", "pid", "app", "age_ms", "idle_ms"},
      "leases");
  require_fields(status.at("queue").at(0),
                 {"position", "models", "uid", "user", "pid", "waited_ms", "eta_ms", "reason"},
                 "queue");
  require_fields(status.at("host_cache"), {"capacity_bytes", "used_bytes"}, "host_cache");
  holder.cancel(running);
  holder.wait(running);
  tool({"unload", "concept", "--force"});
  const json unload = row("models", "name", "concept").at("unload");
  require_fields(unload, {"ms", "expected_bytes", "freed_bytes", "residual_bytes"}, "unload");
}

BOOST_AUTO_TEST_CASE(status_agrees_with_the_kernel) {
  start_known();
  auto holder = client();
  holder.hello("kernel test");
  const auto lease = holder.acquire("concept");
  const json status = told({"status"});
  BOOST_TEST(status.at("daemon").at("pid") == pid());
  const json& device = status.at("devices").at(0);
  const pid_t engine = device.at("engine").at("pid");
  BOOST_TEST(is_alive(engine));
  BOOST_TEST(proc_field(engine, "PPid") == std::to_string(pid()));
  BOOST_TEST(device.at("capacity_bytes") == 64 << 20);
  BOOST_TEST(device.at("used_bytes").get<std::uint64_t>() >= kTensorBytes);
  BOOST_TEST(device.at("used_bytes").get<std::uint64_t>() +
                 device.at("free_bytes").get<std::uint64_t>() <=
             device.at("capacity_bytes").get<std::uint64_t>());
  const json& row = status.at("leases").at(0);
  BOOST_TEST(row.at("id") == lease.lease);
  BOOST_TEST(row.at("epoch") == lease.epoch);
  BOOST_TEST(row.at("uid") == getuid());
  BOOST_TEST(row.at("user") == user_by_getent());
  BOOST_TEST(row.at("pid") == getpid());
  BOOST_TEST(row.at("app") == "kernel test");
  const Finished words = tool({"status"});
  for (const std::string& part :
       {std::to_string(pid()), std::to_string(engine), std::to_string(getpid()), user_by_getent(),
        std::string("kernel test"), std::string("40.0 MiB")})
    BOOST_TEST(has(words.out, part), part << " is missing in\n" << words.out);
}

BOOST_AUTO_TEST_CASE(plans_reasons_and_events_are_told) {
  start_known();
  BOOST_TEST(has(tool({"plan", "concept"}).out, "concept: fits"));
  json plan = told({"plan", "concept"});
  BOOST_TEST(plan.at("steps").at(0).at("action") == "load");
  auto holder = client();
  const auto lease = holder.acquire("concept");
  plan = told({"plan", "concept"});
  BOOST_TEST(plan.at("steps").at(0).at("action") == "join");
  BOOST_TEST(told({"why", "concept"}).at("state") == "ready");
  BOOST_TEST(has(tool({"why", "concept"}).out, "concept is ready"));
  BOOST_TEST(tool({"why", "concpt"}).exit_code == 1);
  BOOST_TEST(has(tool({"why", "concpt"}).err, "concept"));
  BOOST_TEST(has(tool({"events"}).out, "loaded"));
  Process follower(command({"events", "--follow", "--json"}), environment());
  follower.wait_for_output("\"type\":\"loaded\"");
  holder.release(lease);
  tool({"unload", "concept"});
  follower.wait_for_output("\"type\":\"unloaded\"");
  follower.signal(SIGTERM);
  const Finished done = follower.finish();
  BOOST_TEST(done.exit_code == 0);
  std::uint64_t last = 0;
  std::istringstream lines(done.out);
  for (std::string line; std::getline(lines, line);) {
    const json event = json::parse(line);
    BOOST_TEST(event.at("seq") == last + 1);
    last = event.at("seq");
  }
}

BOOST_AUTO_TEST_CASE(a_leased_model_is_unloaded_by_force_only) {
  start_known();
  auto holder = client();
  holder.hello("holder");
  const auto lease = holder.acquire("concept");
  const Finished refused = tool({"unload", "concept"});
  BOOST_TEST(refused.exit_code == 5);
  BOOST_TEST(has(refused.err, "pid " + std::to_string(getpid())));
  BOOST_TEST(has(refused.err, "holder"));
  BOOST_TEST(row("models", "name", "concept").at("state") == "ready");
  const Finished forced = tool({"unload", "concept", "--force"});
  BOOST_TEST(forced.exit_code == 0, forced.err);
  BOOST_TEST(has(forced.out, "concept is unloaded"));
  BOOST_TEST(
      (holder.wait(holder.generate(lease, "alpha", 1)).error().code == wire::Code::lease_lost));
  const std::string again = tool({"unload", "concept"}).out;
  BOOST_TEST(has(again, "was not loaded"), again);
}

BOOST_AUTO_TEST_CASE(a_revoked_lease_is_gone) {
  start_known();
  auto holder = client();
  const auto lease = holder.acquire("concept");
  const Finished done = tool({"revoke", std::to_string(lease.lease), "--reason", "noon"});
  BOOST_TEST(done.exit_code == 0, done.err);
  BOOST_TEST(has(done.out, "pid " + std::to_string(getpid())));
  holder.wait_notification("lease.lost");
  BOOST_TEST(told({"status"}).at("leases").empty());
  BOOST_TEST(tool({"revoke", std::to_string(lease.lease)}).exit_code == 1);
}

BOOST_AUTO_TEST_CASE(a_pinned_model_stays) {
  start_known();
  auto holder = client();
  BOOST_TEST(tool({"pin", "attribute"}).exit_code == 0);
  holder.release(holder.acquire("attribute"));  // auto_unload, but pinned
  BOOST_TEST(row("models", "name", "attribute").at("state") == "ready");
  BOOST_TEST(row("models", "name", "attribute").at("pinned") == true);
  BOOST_TEST(tool({"unpin", "attribute"}).exit_code == 0);
  BOOST_TEST(
      eventually([&] { return row("models", "name", "attribute").at("state") == "unloaded"; }));
}

BOOST_AUTO_TEST_CASE(a_draining_daemon_grants_nothing) {
  start_known();
  BOOST_TEST(tool({"drain"}).exit_code == 0);
  BOOST_TEST(told({"status"}).at("daemon").at("draining") == true);
  BOOST_TEST(tool({"lease", "concept", "--", "true"}).exit_code == 1);
  BOOST_TEST(tool({"drain", "--off"}).exit_code == 0);
  BOOST_TEST(tool({"lease", "concept", "--", "true"}).exit_code == 0);
  BOOST_TEST(tool({"drain", "--device", "cpu"}).exit_code == 0);
  BOOST_TEST(row("devices", "name", "cpu").at("draining") == true);
  BOOST_TEST(tool({"drain", "--device", "cpu", "--off"}).exit_code == 0);
  BOOST_TEST(tool({"drain", "--device", "nonsense"}).exit_code == 1);
}

BOOST_AUTO_TEST_CASE(a_yield_keeps_memory_free_while_its_command_runs) {
  start_known();
  auto holder = client();
  holder.release(holder.acquire("concept"));  // stays loaded
  const std::string script = "\"$TOOL\" status --json";
  const auto with_tool = [&] {
    Environment all = environment();
    all.emplace_back("TOOL", program("gpumodelctl"));
    return all;
  }();
  const Finished done =
      run(command({"yield", "--device", "cpu", "--bytes", "60M", "--", "sh", "-c", script}), "",
          with_tool);
  BOOST_REQUIRE_MESSAGE(done.exit_code == 0, done.err);
  const json during = json::parse(done.out);
  BOOST_TEST(during.at("devices").at(0).at("yielded_bytes") == 60 << 20);
  BOOST_TEST(during.at("devices").at(0).at("used_bytes") == 0);
  BOOST_TEST(row("devices", "name", "cpu").at("yielded_bytes") == 0);
  const json timed = told({"yield", "--device", "cpu", "--bytes", "1M", "--for", "1h"});
  BOOST_TEST(timed.at("bytes") == 1 << 20);
  BOOST_TEST(!timed.at("until_ms").is_null());
  BOOST_TEST(row("devices", "name", "cpu").at("yielded_bytes") == 1 << 20);
  BOOST_TEST(tool({"yield", "--device", "cpu", "--bytes", "1T", "--for", "1h"}).exit_code == 1);
  const auto lease = holder.acquire("concept");
  BOOST_TEST(
      tool({"yield", "--device", "cpu", "--bytes", "60M", "--wait", "0.1", "--", "echo", "no"})
          .exit_code == 5);
}

BOOST_AUTO_TEST_CASE(a_command_generates_on_what_is_leased_for_it) {
  start_known();
  const Finished done = tool({"lease", "concept", "--", program("gpumodelctl"), "generate",
                              "concept", "--prompt", "alpha beta", "--max-tokens", "2"});
  BOOST_TEST(done.exit_code == 0, done.err);
  BOOST_TEST(done.out == "1:alpha 2:beta \n");
  BOOST_TEST(told({"status"}).at("leases").empty());
  Process held(command({"lease", "concept", "--", "sh", "-c", "echo ready; exec sleep 1000"}),
               environment());
  held.wait_for_output("ready");
  BOOST_TEST(row("leases", "model", "concept").at("app") == "gpumodelctl");
  held.signal(SIGTERM);
  BOOST_TEST(held.finish().exit_code == 128 + SIGTERM);
  BOOST_TEST(eventually([&] { return status().leases.empty(); }));
  BOOST_TEST(tool({"lease", "concpt", "--", "true"}).exit_code == 1);
}

BOOST_AUTO_TEST_CASE(ctrl_c_ends_the_waiting_for_a_lease) {
  start_known();
  auto holder = client();
  const auto lease = holder.acquire("concept");
  const auto running = holder.generate(lease, "alpha", 100000);
  Process waiting(command({"lease", "attribute", "--", "true"}), environment());
  BOOST_REQUIRE(eventually([&] { return !status().queue.empty(); }));
  BOOST_TEST(status().queue.at(0).pid == waiting.pid());
  waiting.signal(SIGINT);
  BOOST_TEST(waiting.finish().exit_code == 130);
  BOOST_TEST(eventually([&] { return status().queue.empty(); }));
  BOOST_TEST(tool({"lease", "attribute", "--wait", "0", "--", "true"}).exit_code == 5);
  holder.cancel(running);
  holder.wait(running);
}

BOOST_AUTO_TEST_CASE(a_prefetch_loads_where_there_is_room) {
  start_known();
  const json answer = told({"prefetch", "concept"});
  BOOST_TEST(answer.at("models").at(0).at("action") == "load");
  Process held(command({"prefetch", "concept", "--hold", "100"}), environment());
  BOOST_TEST(eventually([&] { return model_row("concept").state == "ready"; }));
  held.signal(SIGINT);
  BOOST_TEST(held.finish().exit_code == 130);
}

BOOST_AUTO_TEST_CASE(who_is_no_administrator_is_denied) {
  BOOST_REQUIRE(getuid() == 0u);
  start_known("socket_mode = \"0666\"");
  chmod(path("").c_str(), 0755);
  const auto as_nobody = [&](std::vector<std::string> words) {
    words = command(std::move(words));
    words.insert(words.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
    return run(words, "", environment());
  };
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"unload", "concept"},
        {"pin", "concept"},
        {"unpin", "concept"},
        {"drain"},
        {"revoke", "1"},
        {"yield", "--device", "cpu", "--bytes", "1M", "--for", "1s"},
        {"yield", "--device", "cpu", "--bytes", "1M", "--", "true"}}) {
    const Finished done = as_nobody(words);
    BOOST_TEST(done.exit_code == 4, words.front() << " gave " << done.exit_code << done.err);
  }
  BOOST_TEST(as_nobody({"status"}).exit_code == 0);
  BOOST_TEST(as_nobody({"plan", "concept"}).exit_code == 0);
}

BOOST_AUTO_TEST_SUITE_END()
