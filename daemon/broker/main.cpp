// gpumodeld: the broker.
#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>

#include <cstdio>
#include <optional>

#include "broker/lifecycle.hpp"
#include "broker/options.hpp"

namespace {

using namespace gpumodel::broker;

constexpr std::chrono::seconds kProbeAnswersWithin{30};
constexpr int kExitBadConfiguration = 2;

gpumodel::core::CoreConfig core_config(const Config& config) {
  gpumodel::core::CoreConfig core;
  core.max_wait = config.daemon.max_wait;
  core.engine_grace = config.daemon.engine_grace;
  core.residual_threshold_bytes = config.daemon.residual_threshold_bytes;
  core.max_leases_per_user = config.limits.leases;
  core.max_queued_per_user = config.limits.queued;
  return core;
}

void run(const Config& config, const Log& log) {
  UniqueFd listening = take_activated_socket();
  std::optional<SocketFile> socket_file;
  if (!listening) socket_file.emplace(config.daemon, listening);

  const std::string engine_program = find_engine_program();
  const DaemonClock clock;
  asio::io_context io(1);
  Sessions sessions(io, log, config.limits);
  Catalog catalog(config.models);
  Conductor conductor(io, clock, log, core_config(config), catalog, engine_program);
  Probe probe(io, clock, log, engine_program, kProbeAnswersWithin);
  Inspector inspector(log, catalog, conductor, probe);
  LeaseDesk leases(config.limits, catalog, conductor, inspector);
  Generations generations(io, conductor);
  TextCalls texts(catalog, conductor, probe);
  StatusReport report(config.devices, catalog, conductor, sessions);
  Service service(config, log, sessions, catalog, conductor, leases, generations, texts, report);
  Listener listener(io, log, std::move(listening),
                    [&](UniqueFd socket) { sessions.admit(std::move(socket)); });
  Lifecycle lifecycle(io, log, config, conductor, probe, inspector, sessions, service, generations,
                      listener);

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
    run(config, log);
    return 0;
  } catch (const ConfigError& error) {
    fmt::print(stderr, "{}\n", error.what());
    return kExitBadConfiguration;
  } catch (const std::exception& error) {
    log.error("gpumodeld cannot go on", {{"REASON", error.what()}});
    return 1;
  }
}
