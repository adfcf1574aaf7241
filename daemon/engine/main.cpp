// gpumodel-engine: the process that holds weights and runs them, the probe, and the folder check.
//
//   gpumodel-engine --fd N            an engine on a socket that its parent holds the other end of
//   gpumodel-engine --probe --fd N    the probe, likewise
//   gpumodel-engine --check PATH      whether a model folder can be served
//
// Exit status: 0 when the parent closed its end, 1 where something failed, 2 for wrong usage.
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "engine/device/backend.hpp"
#include "engine/server/channel.hpp"
#include "engine/server/check.hpp"
#include "engine/server/engine_server.hpp"
#include "engine/server/probe_server.hpp"
#include "wire/dtype.hpp"
#include "wire/version.hpp"

namespace {

namespace engine = gpumodel::engine;
using engine::server::Channel;

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Options {
  int fd = -1;
  bool probe = false;
  engine::server::CheckRequest check;
};

// The broker owns this process's life: it ends when the broker closes its end or dies, not by what
// a terminal or systemd sends to the whole group.
void tie_to_parent() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(signal, SIG_IGN);
}

// For tests and measurements: the kernels that a better processor would not choose.
constexpr const char* kKernelsVariable = "GPUMODEL_CPU_KERNELS";

std::unique_ptr<engine::device::Backend> make_backend(int threads) {
  const char* const kernels = std::getenv(kKernelsVariable);
  if (auto fast = engine::device::make_cpu_backend(threads, kernels ? kernels : "")) return fast;
  return engine::device::make_aten_backend(threads);
}

[[noreturn]] void end_now(int status) {
  // A load may be under way and weights are mapped: the kernel is faster than destructors.
  ::_exit(status);
}

[[noreturn]] void serve(Channel& channel, bool is_probe) {
  try {
    if (is_probe) {
      engine::server::ProbeServer server(channel);
      server.serve();
      end_now(0);
    }
    engine::server::EngineServer server(channel, make_backend);
    server.serve();
    end_now(0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpumodel-engine: %s\n", error.what());
    end_now(kFailed);
  }
}

int run_on(int fd, bool is_probe) {
  tie_to_parent();
  std::unique_ptr<Channel> channel;
  try {
    channel = std::make_unique<Channel>(gpumodel::os::Fd(fd));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpumodel-engine: --fd %d: %s; gpumodeld passes one end of a socketpair\n",
                 fd, error.what());
    return kUsage;
  }
  serve(*channel, is_probe);
}

void declare(CLI::App& app, Options& options) {
  app.set_version_flag("--version", std::string(gpumodel::wire::build_version()));
  auto* fd = app.add_option("--fd", options.fd, "Socket to gpumodeld, which passes it")
                 ->check(CLI::NonNegativeNumber);
  auto* probe =
      app.add_flag("--probe", options.probe, "Answer about model folders; hold no weights")
          ->needs(fd);
  auto* check = app.add_option("--check", options.check.path, "Report on the model folder PATH")
                    ->option_text("PATH")
                    ->excludes(fd)
                    ->excludes(probe);
  app.add_option("--adapter", options.check.adapter_path,
                 "With --check: the folder of an adapter of that model")
      ->option_text("PATH")
      ->needs(check);
  app.add_option("--dtype", options.check.dtype, "With --check: dtype to report on")
      ->check(CLI::IsMember(gpumodel::wire::kDtypes))
      ->needs(check);
  app.add_flag("--json", options.check.json, "With --check: print JSON")->needs(check);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Holds and runs models for gpumodeld, which starts it", "gpumodel-engine");
  Options options;
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (!options.check.path.empty()) return engine::server::check(options.check, stdout, stderr);
  if (options.fd >= 0) return run_on(options.fd, options.probe);
  std::fputs(
      "gpumodel-engine: started by gpumodeld with --fd; by hand, --check PATH (see --help)\n",
      stderr);
  return kUsage;
}
