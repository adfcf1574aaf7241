#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/failure.hpp"
#include "gpumodelctl/hold.hpp"
#include "gpumodelctl/quantity.hpp"

namespace gpumodelctl {
namespace {

constexpr const char* kChildFooter =
    "\nWith -- COMMAND the exit status is the command's own, 128 + N where signal N ended it, and "
    "127 where it\n"
    "could not be started; it finds the daemon through $GPUMODEL_SOCKET.\n";

Command lease_command(CLI::App& app, Common& common) {
  Arguments command = add_command(
      app, common, "lease",
      "Lease models, all or none, for as long as a command runs: lease MODEL... -- COMMAND",
      "  gpumodelctl lease concept relationship -- ./pipeline\n"
      "  gpumodelctl lease concept --wait 60 -- bash -c 'sleep 5; echo done'\n");
  auto options = std::make_shared<LeaseCommand>();
  auto wait = std::make_shared<double>(-1);
  command.add_option("models", options->models, "configured models' names, at most 16")
      .required()
      .type_name("MODEL");
  add_wait(command, *wait, "queue at most this long; default: the daemon's max_wait");
  command.add_flag("--wait-foreign", options->wait_foreign,
                   "wait for memory that other programs hold instead of failing");
  command.append_footer(kChildFooter);
  return {command, [&common, options, wait] {
            if (common.child.empty())
              throw usage_failure("lease needs a command: gpumodelctl lease MODEL... -- COMMAND");
            options->socket = common.socket;
            options->command = common.child;
            options->wait_ms = wait_ms(*wait);
            return run_lease(*options);
          }};
}

Command yield_command(CLI::App& app, Common& common) {
  Arguments command =
      add_command(app, common, "yield",
                  "Keep bytes of a device free for other programs (administrators): for a time, "
                  "for as long as a command "
                  "runs (which starts once they are free), or until interrupted",
                  "  gpumodelctl yield --device cuda:0 --bytes 40G --for 2h\n"
                  "  gpumodelctl yield --device cuda:0 --bytes 40G -- python train.py\n");
  struct Options {
    YieldCommand yield;
    std::string bytes, duration;
    double wait = -1;
  };
  auto options = std::make_shared<Options>();
  command.add_option("--device", options->yield.device, "the device")
      .required()
      .type_name("DEVICE");
  command.add_option("--bytes", options->bytes, "how much: 40G, 512 MiB")
      .required()
      .type_name("SIZE");
  command
      .add_option("--for", options->duration, "how long: 90s, 10m, 2h; goes on when this has ended")
      .type_name("TIME");
  add_wait(command, options->wait,
           "wait at most this long for the memory; default: the daemon's max_wait");
  command.append_footer(kChildFooter);
  return {command, [&common, options] {
            YieldCommand& yield = options->yield;
            if (!options->duration.empty() && !common.child.empty())
              throw usage_failure(
                  "--for and -- COMMAND exclude each other: the command's end is the limit");
            yield.socket = common.socket;
            yield.json = common.json;
            yield.command = common.child;
            yield.bytes = parse_bytes("--bytes", options->bytes);
            if (!options->duration.empty()) yield.for_ms = parse_ms("--for", options->duration);
            yield.wait_ms = wait_ms(options->wait);
            return run_yield(yield);
          }};
}

Command prefetch_command(CLI::App& app, Common& common) {
  Arguments command = add_command(
      app, common, "prefetch",
      "Bring models near that will be wanted soon, where that evicts nobody: to the "
      "device, else to the host cache. They are wanted for ten seconds, and no longer than this "
      "command runs: --hold.",
      "  gpumodelctl prefetch relationship --hold 10\n");
  auto options = std::make_shared<PrefetchCommand>();
  auto hold = std::make_shared<double>(0);
  command.add_option("models", options->models, "configured models' names, at most 16")
      .required()
      .type_name("MODEL");
  command.add_option("--hold", *hold, "run for this long after the daemon has answered (0)")
      .type_name("SECONDS")
      .range(0.0, 1e6);
  return {command, [&common, options, hold] {
            options->socket = common.socket;
            options->json = common.json;
            options->hold_ms = static_cast<std::uint64_t>(*hold * 1000);
            return run_prefetch(*options);
          }};
}

}  // namespace

void add_holding_commands(CLI::App& app, Common& common, std::vector<Command>& out) {
  out.push_back(lease_command(app, common));
  out.push_back(yield_command(app, common));
  out.push_back(prefetch_command(app, common));
}

}  // namespace gpumodelctl
