// Metrics of the real broker: that each family says what happened, that Prometheus reads them, that
// the page and the dashboard name what there is, and the textfile.
#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "support/daemon_fixture.hpp"
#include "support/promtool.hpp"
#include "support/testdata.hpp"
#include "wire/metric_messages.hpp"
#include "wire/operator_messages.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

using Labels = std::map<std::string, std::string>;

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The words that look like a name of ours, without a histogram's endings.
std::set<std::string> names_in(const std::string& text) {
  static const std::regex kName("gpumodel_[a-z0-9_]+");
  std::set<std::string> names;
  for (std::sregex_iterator at(text.begin(), text.end(), kName), end; at != end; ++at)
    names.insert(std::regex_replace(at->str(), std::regex("_(bucket|sum|count)$"), ""));
  return names;
}

struct MetricsFixture : DaemonFixture {
  std::string text(WireClient& peer) {
    return peer.call<wire::MetricsResult>("metrics", wire::MetricsParams{}).text.value();
  }
  std::vector<wire::MetricFamily> families() const {
    return client()
        .call<wire::MetricsResult>("metrics", wire::MetricsParams{"families"})
        .families.value();
  }
  const wire::MetricSample& sample(const std::string& name, const Labels& labels) {
    seen_ = families();
    for (const wire::MetricFamily& family : seen_)
      for (const wire::MetricSample& row : family.samples)
        if (family.name == name && row.labels == labels) return row;
    throw std::runtime_error("no such sample of " + name);
  }
  double value(const std::string& name, const Labels& labels = {}) {
    return sample(name, labels).value.value();
  }
  double of_model(const std::string& name) { return value(name, {{"model", "m"}}); }
  std::uint64_t counted(const std::string& name, const Labels& labels = {{"model", "m"}}) {
    return sample(name, labels).count.value();
  }
  std::set<std::string> family_names() const {
    std::set<std::string> names;
    for (const wire::MetricFamily& family : families()) names.insert(family.name);
    return names;
  }

 private:
  std::vector<wire::MetricFamily> seen_;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(broker_metrics, MetricsFixture)

BOOST_AUTO_TEST_CASE(a_generation_leaves_its_counts_and_times) {
  model("m", R"({"tensor_bytes": 1000, "token_ms": 5})", "auto_unload = false");
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  const auto done =
      peer.wait(peer.generate(lease, "alpha", 10)).result<wire::GenerateResult>().usage;
  BOOST_TEST(of_model("gpumodel_prompt_tokens_total") == static_cast<double>(done.prompt_tokens));
  BOOST_TEST(of_model("gpumodel_cached_prompt_tokens_total") == 0);
  BOOST_TEST(of_model("gpumodel_output_tokens_total") == 10);
  const auto ended = [&](const char* outcome) {
    return value("gpumodel_generations_total", {{"model", "m"}, {"outcome", outcome}});
  };
  BOOST_TEST(ended("length") == 1);
  for (const char* name :
       {"gpumodel_generation_queue_seconds", "gpumodel_time_to_first_token_seconds",
        "gpumodel_time_per_output_token_seconds", "gpumodel_generation_seconds"})
    BOOST_TEST(counted(name) == 1u, name);
  const double whole = sample("gpumodel_generation_seconds", {{"model", "m"}}).sum.value();
  BOOST_TEST(whole >= static_cast<double>(done.total_us) / 1e6);
  BOOST_TEST(whole < static_cast<double>(done.total_us) / 1e6 + 10);

  const auto long_one = peer.generate(lease, "alpha", -1);
  BOOST_TEST(eventually([&] { return of_model("gpumodel_generations_running") == 1; }));
  peer.cancel(long_one);
  peer.wait(long_one);
  BOOST_TEST(ended("cancelled") == 1);
  BOOST_TEST(of_model("gpumodel_generations_running") == 0);
  BOOST_TEST(of_model("gpumodel_generations_waiting") == 0);
  {
    auto gone = client();
    gone.generate(gone.acquire("m"), "alpha", -1);
    BOOST_TEST(eventually([&] { return of_model("gpumodel_generations_running") == 1; }));
  }
  BOOST_TEST(eventually([&] { return ended("disconnected") == 1; }));
  BOOST_TEST(value("gpumodel_requests_abandoned_total") == 1);
}

BOOST_AUTO_TEST_CASE(leases_loads_and_unloads_count) {
  model("m", kForty);
  model("other", kForty);
  start();
  BOOST_REQUIRE(eventually([&] { return model_row("other").architecture.has_value(); }));
  BOOST_TEST(counted("gpumodel_lease_wait_seconds") == 0u);
  auto peer = client(), waiter = client();
  const auto lease = peer.acquire("m");
  const auto state = [&](const char* model_state) {
    return value("gpumodel_model_state", {{"model", "m"}, {"state", model_state}});
  };
  BOOST_TEST(state("ready") == 1);
  BOOST_TEST(state("failed") == 0);
  BOOST_TEST(value("gpumodel_leases", {{"model", "m"}, {"state", "held"}}) == 1);
  const auto waiting = waiter.send("lease.acquire", wanted({"other"}));
  BOOST_TEST(eventually([&] {
    return value("gpumodel_lease_waiters", {{"model", "other"}}) == 1;
  }));
  const auto released = peer.release(lease);
  waiter.wait(waiting);
  BOOST_TEST(of_model("gpumodel_leases_granted_total") == 1);
  BOOST_TEST(of_model("gpumodel_leases_ended_total") == 1);
  BOOST_TEST(counted("gpumodel_lease_wait_seconds", {{"model", "other"}}) == 1u);
  BOOST_TEST(counted("gpumodel_load_seconds", {{"model", "m"}, {"source", "disk"}}) == 1u);
  BOOST_TEST(counted("gpumodel_load_seconds", {{"model", "m"}, {"source", "host"}}) == 0u);
  BOOST_TEST(counted("gpumodel_unload_seconds") == 1u);
  BOOST_TEST(of_model("gpumodel_loaded_bytes_total") >= 41943040);
  BOOST_TEST(of_model("gpumodel_unload_freed_bytes_total") ==
             static_cast<double>(released.freed_bytes));
  BOOST_TEST(of_model("gpumodel_unload_residual_bytes_total") ==
             static_cast<double>(released.residual_bytes));
  BOOST_TEST(of_model("gpumodel_unload_residuals_total") == 0);
  BOOST_TEST(of_model("gpumodel_load_failures_total") == 0);
}

BOOST_AUTO_TEST_CASE(evictions_and_suspensions_count) {
  model("m", kForty);
  model("other", kForty);
  start(kDevice, "min_residency = 0\nidle_grace = \"1ms\"");
  auto holder = client(), waiter = client();
  const auto lease = holder.acquire("m");
  const auto other = waiter.acquire("other");
  BOOST_TEST(of_model("gpumodel_evictions_total") == 1);
  BOOST_TEST(of_model("gpumodel_lease_suspensions_total") == 1);
  BOOST_TEST(value("gpumodel_leases", {{"model", "m"}, {"state", "suspended"}}) == 1);
  waiter.release(other);
  holder.wait(holder.generate(lease, "alpha", 1));
  BOOST_TEST(of_model("gpumodel_lease_resumptions_total") == 1);
}

BOOST_AUTO_TEST_CASE(memory_adds_up_by_owner) {
  model("m", kForty, "auto_unload = false");
  start("[devices.cpu]\nmemory = \"64 MiB\"\nreserve = \"8 MiB\"\n");
  auto peer = client();
  peer.acquire("m");
  const auto owner = [&](const char* name) {
    return value("gpumodel_device_memory_bytes", {{"device", "cpu"}, {"owner", name}});
  };
  const double models = owner("models");
  BOOST_TEST(models >= 41943040);
  BOOST_TEST(models + owner("foreign") + owner("yielded") + owner("reserve") + owner("free") ==
             value("gpumodel_device_capacity_bytes", {{"device", "cpu"}}));
  double parts = 0;
  for (const char* part : {"tensors", "kv", "workspace"})
    parts += value("gpumodel_weights_memory_bytes",
                   {{"device", "cpu"}, {"models", "m"}, {"part", part}});
  BOOST_TEST(parts == models);
  const Labels cpu = {{"device", "cpu"}};
  BOOST_TEST(value("gpumodel_engine_resident_bytes", cpu) > 0);
  BOOST_TEST(value("gpumodel_device_state", {{"device", "cpu"}, {"state", "ok"}}) == 1);
}

BOOST_AUTO_TEST_CASE(engines_and_what_clients_break_count) {
  model("m", R"({"tensor_bytes": 1000})", "auto_unload = false");
  start();
  auto peer = client();
  peer.acquire("m");
  const Labels cpu = {{"device", "cpu"}};
  BOOST_TEST(value("gpumodel_engine_running", cpu) == 1);
  BOOST_TEST(value("gpumodel_engine_starts_total", cpu) == 1);
  ::kill(engine_pid(), SIGKILL);
  BOOST_TEST(eventually([&] { return value("gpumodel_engine_losses_total", cpu) == 1; }));
  auto bad = client();
  bad.send_bytes("\xc1");
  BOOST_TEST(bad.reaches_end());
  BOOST_TEST(value("gpumodel_protocol_errors_total", {{"kind", "framing"}}) == 1);
  BOOST_TEST(peer.ask("nonsense", wire::Empty{}).failed());
  BOOST_TEST(peer.ask("why", wire::ModelParams{"x"}).failed());
  const auto requests = [&](const char* method, const char* outcome) {
    return value("gpumodel_requests_total", {{"method", method}, {"outcome", outcome}});
  };
  BOOST_TEST(requests("unknown", "unsupported") == 1);
  BOOST_TEST(requests("why", "no_model") == 1);
  BOOST_TEST(requests("lease.acquire", "ok") == 1);
  // What comes in JSON counts as what it asks for.
  peer.ask("call_json", wire::CallJsonParams{"plan", R"({"models": ["m"]})"});
  BOOST_TEST(requests("plan", "ok") == 1);
  BOOST_TEST(requests("call_json", "ok") == 0);
  BOOST_TEST(value("gpumodel_connections_total", {{"outcome", "accepted"}}) >= 3);
  BOOST_TEST(value("gpumodel_connections_open") == 2);  // the one that asks is the other
}

BOOST_AUTO_TEST_CASE(the_host_cache_and_adapters_count) {
  write_fake("base", kForty);
  adapted_model("m", "base", R"({"tensor_bytes": 1000})");
  start(std::string(kDevice) + "[host_cache]\nmemory = \"64 MiB\"\n");
  auto peer = client();
  for (int round = 0; round < 2; ++round) peer.release(peer.acquire("m"));
  BOOST_TEST(counted("gpumodel_load_seconds", {{"model", "m"}, {"source", "disk"}}) == 1u);
  BOOST_TEST(counted("gpumodel_load_seconds", {{"model", "m"}, {"source", "host"}}) == 1u);
  BOOST_TEST(counted("gpumodel_adapter_load_seconds") == 2u);
  BOOST_TEST(value("gpumodel_host_cache_fills_total") == 1);
  BOOST_TEST(value("gpumodel_host_cache_used_bytes") >= 41943040);
  BOOST_TEST(value("gpumodel_host_cache_capacity_bytes") == 64 << 20);
  peer.acquire("m");
  BOOST_TEST(value("gpumodel_adapter_memory_bytes", {{"device", "cpu"}, {"model", "m"}}) > 0);
}

BOOST_AUTO_TEST_CASE(formats_are_two_and_json_reaches_both) {
  start();
  auto peer = client();
  const auto both = [&](const char* params) {
    return json::parse(
        peer.call<wire::CallJsonResult>("call_json", wire::CallJsonParams{"metrics", params})
            .result);
  };
  BOOST_TEST(both("{}")["families"].is_null());
  BOOST_TEST(
      both("{}")["text"].get<std::string>().find(
          "# TYPE gpumodel_build_info gauge\ngpumodel_build_info{protocol=\"1\",version=\"") !=
      std::string::npos);
  BOOST_TEST(both(R"({"format": "families"})")["families"][0]["name"] == "gpumodel_build_info");
  BOOST_TEST((peer.ask("metrics", wire::MetricsParams{"xml"}).error().code == wire::Code::invalid));
  const auto features = client().hello().features;
  BOOST_TEST((std::find(features.begin(), features.end(), "metrics") != features.end()));
}

BOOST_AUTO_TEST_CASE(prometheus_has_nothing_against_it,
                     *boost::unit_test::precondition(with_promtool)) {
  model("m", kForty);
  start();
  auto peer = client();
  const auto lease = peer.acquire("m");
  peer.wait(peer.generate(lease, "alpha", 3));
  BOOST_TEST(complaints_of_promtool(text(peer)) == "");
}

BOOST_AUTO_TEST_CASE(the_page_lists_every_family_and_no_other) {
  start();
  const std::string page = read_file(source_path("daemon/METRICS.md"));
  const auto names = family_names();
  BOOST_TEST(names_in(page) == names, boost::test_tools::per_element());
  for (const wire::MetricFamily& family : families())
    BOOST_TEST(page.find("| `" + family.name + "` | " + family.type + " |") != std::string::npos,
               family.name);
}

BOOST_AUTO_TEST_CASE(the_dashboard_asks_for_what_there_is) {
  start();
  const json dashboard = json::parse(read_file(source_path("tools/grafana/gpumodeld.json")));
  const auto names = family_names();
  std::size_t queries = 0;
  for (const json& panel : dashboard.at("panels")) {
    for (const json& target : panel.value("targets", json::array())) {
      ++queries;
      const auto asked = names_in(target.at("expr"));
      BOOST_TEST(!asked.empty());
      for (const std::string& name : asked) BOOST_TEST(names.contains(name), name);
    }
  }
  BOOST_TEST(queries >= 15u);
  for (const json& variable : dashboard.at("templating").at("list"))
    for (const std::string& name : names_in(variable.at("definition")))
      BOOST_TEST(names.contains(name), name);
  for (const char* key : {"title", "uid", "schemaVersion", "templating", "__inputs"})
    BOOST_TEST(dashboard.contains(key), key);
}

// The queries of all panels as recording rules, with numbers for what Grafana puts in.
BOOST_AUTO_TEST_CASE(prometheus_reads_the_dashboards_queries,
                     *boost::unit_test::precondition(with_promtool)) {
  const json dashboard = json::parse(read_file(source_path("tools/grafana/gpumodeld.json")));
  json rules = json::array();
  for (const json& panel : dashboard.at("panels"))
    for (const json& target : panel.value("targets", json::array())) {
      const std::string query = std::regex_replace(target.at("expr").get<std::string>(),
                                                   std::regex(R"(\$__rate_interval)"), "1m");
      rules.push_back({{"record", "panel:query" + std::to_string(rules.size())}, {"expr", query}});
    }
  std::ofstream(path("rules.yml")) << json{{"groups", {{{"name", "dashboard"}, {"rules", rules}}}}};
  const Finished done = run({promtool(), "check", "rules", path("rules.yml")});
  BOOST_TEST(done.exit_code == 0, done.out + done.err);
  BOOST_TEST(done.out.find("SUCCESS: " + std::to_string(rules.size()) + " rules found") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_reload_switches_the_textfile) {
  start();
  const std::string file = path("gpumodeld.prom");
  const auto reload = [&](const std::string& keys) {
    std::ofstream(path("gpumodeld.toml")) << config_text(kDevice, keys);
    signal(SIGHUP);
    wait_ready();
  };
  reload("metrics_textfile = \"" + file + "\"");
  BOOST_TEST(
      eventually([&] { return content(file).find("gpumodel_build_info") != std::string::npos; }));
  reload("");
  BOOST_TEST(eventually([&] { return !fs::exists(file); }));
  reload("metrics_textfile = \"" + file + "\"");
  BOOST_TEST(eventually([&] { return fs::exists(file); }));
  reload("metrics_textfile = \"relative.prom\"");  // refused, and the old one stays
  BOOST_TEST(fs::exists(file));
  signal(SIGTERM);
  BOOST_TEST(wait_exit() == 0);
  BOOST_TEST(!fs::exists(file));
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_written_is_one_warning) {
  model("m", R"({"tensor_bytes": 1000})");
  start(kDevice, "metrics_textfile = \"" + path("nowhere/m.prom") + "\"");
  BOOST_TEST(eventually(
      [&] { return log().find("metrics_textfile cannot be written") != std::string::npos; }));
  BOOST_TEST(log().find("nowhere/m.prom.new: No such file or directory") != std::string::npos);
  auto peer = client();
  peer.release(peer.acquire("m"));
  BOOST_TEST(!fs::exists(path("nowhere")));
}

BOOST_AUTO_TEST_SUITE_END()
