// gpumodeld: the broker.
#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>

#include <cstdio>
#include <optional>

#include "broker/lifecycle.hpp"
#include "broker/log_messages.hpp"
#include "broker/options.hpp"
#include "os/engine_program.hpp"

namespace {

using namespace gpumodel;
using namespace gpumodel::broker;

constexpr std::chrono::seconds kProbeAnswersWithin{30};
constexpr std::chrono::seconds kAsideWithin{10};
constexpr int kExitBadConfiguration = 2;

// Each time memory runs short a part of the host cache goes; the next time, if that was too little,
// the next part.
std::unique_ptr<PressureWatch> watch_pressure(asio::io_context& io, const Log& log,
                                              const Config& config, Conductor& conductor,
                                              EventLog& events) {
  constexpr std::uint64_t kParts = 4;
  if (config.host_cache_bytes == 0) return nullptr;
  std::string why;
  os::Fd trigger = open_memory_pressure(why);
  if (!trigger) {
    log.warning(messages::kPressureUnwatched, {{"REASON", why}});
    return nullptr;
  }
  const std::uint64_t part = config.host_cache_bytes / kParts + 1;
  return std::make_unique<PressureWatch>(io, std::move(trigger), [&conductor, &events, part] {
    events.add("host_pressure", "the machine runs short of memory");
    conductor.decide(
        [&](core::Core& core, core::Time now) { return core.host_pressure(now, part); });
  });
}

void run(const Options& options, Config& config, const Log& log) {
  os::Fd listening = take_activated_socket();
  std::optional<SocketFile> socket_file;
  if (!listening) socket_file.emplace(config.daemon, listening);

  const std::string engine_program = os::find_engine_program();
  const DaemonClock clock;
  asio::io_context io(1);
  Aside aside(io, kAsideWithin);
  UserNames names(aside);
  Metrics metrics(Service::method_names());
  Sessions sessions(io, log, config.limits, names, metrics);
  Catalog catalog(config.models);
  Conductor conductor(io, clock, log, core_config(config), catalog, engine_program);
  Probe probe(io, clock, log, engine_program, kProbeAnswersWithin);
  Inspector inspector(log, catalog, conductor, probe);
  MemoryReadings readings(io, conductor, probe);
  LeaseDesk leases(catalog, conductor, inspector, sessions);
  Prefetches prefetches(catalog, conductor, inspector);
  Generations generations(io, conductor, catalog, metrics);
  TextCalls texts(catalog, conductor, probe);
  EventLog events(catalog, conductor, sessions);
  Administration administration(catalog, conductor, inspector, sessions, clock);
  Explanations explanations(catalog, conductor, events);
  StatusReport report(config.devices, catalog, conductor, readings, sessions, generations, clock);
  MetricsReport metrics_report(metrics, report, catalog, conductor, sessions, generations, clock);
  Service service(config, log, sessions, catalog, conductor, readings, metrics,
                  {leases, prefetches, generations, texts, administration, explanations, events,
                   report, metrics_report});
  MetricsTextfile textfile(io, log, [&] { return metrics_report.text(service.draining()); });
  textfile.write_to(config.daemon.metrics_textfile);
  const auto pressure = watch_pressure(io, log, config, conductor, events);
  Listener listener(io, log, metrics, std::move(listening),
                    [&](os::Fd socket) { sessions.admit(std::move(socket)); });
  Reload reload(log, options.config_path, options.socket.has_value(), config, aside, catalog,
                conductor, inspector, events, textfile);
  Supervision supervision(io, log, config, conductor);
  Lifecycle lifecycle(io, log, config, conductor, probe, inspector, sessions, service, generations,
                      listener, reload, supervision);

  lifecycle.start();
  io.run();
}

}  // namespace

int main(int argc, char** argv) {
  const ParsedOptions parsed = parse_options(argc, argv);
  if (parsed.exit_status) return *parsed.exit_status;
  const Options& options = parsed.options;

  // One thread needs one arena, and what a burst took goes back to the system.
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 256 * 1024);
  ::signal(SIGPIPE, SIG_IGN);

  const Log log(options.log_level);
  try {
    Config config = read_config_file(options.config_path);
    if (options.check_config) {
      fmt::print("{}: good: {} devices, {} models\n", options.config_path, config.devices.size(),
                 config.models.size());
      return 0;
    }
    if (options.socket) config.daemon.socket = *options.socket;
    run(options, config, log);
    return 0;
  } catch (const ConfigError& error) {
    fmt::print(stderr, "{}\n", error.what());
    return kExitBadConfiguration;
  } catch (const std::exception& error) {
    log.error(messages::kCannotGoOn, {{"REASON", error.what()}});
    return 1;
  }
}
