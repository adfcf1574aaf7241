#include "gpumodelctl/hold.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "gpumodelctl/child.hpp"
#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/format.hpp"
#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

// Says on stderr what becomes of leases while the command runs: it cannot know.
void tell_fate(gm_client* client, const gm_event* event, void* user) {
  if (isatty(STDERR_FILENO)) show_progress(client, event, user);
  gm_lease_info info = GM_LEASE_INFO_INIT;
  const bool known = event->lease != nullptr && gm_lease_get_info(event->lease, &info) == GM_OK;
  if (event->type == GM_EVENT_LEASE_LOST && known)
    fmt::print(stderr, "gpumodelctl: the lease on {} was revoked\n", info.model);
}

// Runs the command, then gives back what was held for it. The command's exit status is the answer,
// so that what fails besides is only said.
int run_holding(const std::vector<std::string>& command, const std::string& socket,
                gm_client* client, const std::function<void()>& give_back) {
  // Ctrl-C after the last call has ended, and before the command began.
  if (gm_client_dispatch(client, 0) == GM_E_INTERRUPTED) return kExitInterrupted;
  bool connected = true;
  const int status = run_child(command, socket_path(socket), client, [&] {
    connected = false;
    fmt::print(stderr,
               "gpumodelctl: the daemon has gone, and what was held for the command with it\n");
  });
  if (!connected) return status;
  try {
    give_back();
  } catch (const Failure& failure) {
    print_failure(failure, /*json=*/false);
  }
  return status;
}

// What was revoked meanwhile was told when it happened.
void release_held(const std::vector<Lease>& leases) {
  for (const Lease& lease : leases) {
    gm_lease_info info = GM_LEASE_INFO_INIT;
    if (gm_lease_get_info(lease.get(), &info) == GM_OK && info.state != GM_LEASE_ENDED)
      release(lease.get());
  }
}

// Until the limit (none: for ever), dispatching. True: interrupted.
bool hold(gm_client* client, std::optional<std::chrono::milliseconds> limit) {
  const auto until = Clock::now() + limit.value_or(std::chrono::milliseconds(0));
  for (;;) {
    int left_ms = GM_WAIT_FOREVER;
    if (limit) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
      if (left <= 0) return false;
      left_ms = static_cast<int>(std::min<std::int64_t>(left, 3'600'000));
    }
    const gm_status status = gm_client_dispatch(client, left_ms);
    if (status == GM_E_INTERRUPTED) return true;
    check(status);
  }
}

ordered_json ask_yield(gm_client* client, const YieldCommand& command) {
  ordered_json params{{"device", command.device}, {"bytes", command.bytes}, {"for_ms", nullptr}};
  if (command.for_ms) params["for_ms"] = *command.for_ms;
  if (command.wait_ms >= 0) params["wait_ms"] = command.wait_ms;
  return call(client, "yield", params, GM_WAIT_FOREVER);
}

void print_yield(const ordered_json& yield, const YieldCommand& command) {
  if (command.json) {
    fmt::print("{}\n", yield.dump());
  } else {
    const auto& until = at(yield, "until_ms");
    fmt::print("{} of {} are free {}\n", bytes(at(yield, "bytes")),
               tamed(words(at(yield, "device"))),
               until.is_null() ? "until this is interrupted" : "until " + wall_time(until));
  }
  std::fflush(stdout);
}

void end_yield(gm_client* client, const ordered_json& yield) {
  call(client, "yield.end", {{"yield", at(yield, "yield")}});
}

}  // namespace

int run_lease(const LeaseCommand& command) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const Client client = connect(command.socket, tell_fate, nullptr);
  std::vector<Lease> leases;
  {
    const InterruptGuard guard(client.get());
    leases = acquire_all(client.get(), command.models, command.wait_ms,
                         command.wait_foreign ? std::uint32_t{GM_LEASE_WAIT_FOREIGN} : 0);
  }
  if (terminal) fmt::print(stderr, "{}: leased\n", joined(command.models));
  return run_holding(command.command, command.socket, client.get(), [&] { release_held(leases); });
}

int run_yield(const YieldCommand& command) {
  const Client client = connect(command.socket);
  std::optional<InterruptGuard> guard(std::in_place, client.get());
  const ordered_json yield = ask_yield(client.get(), command);
  if (!command.command.empty()) {
    guard.reset();
    return run_holding(command.command, command.socket, client.get(),
                       [&] { end_yield(client.get(), yield); });
  }
  print_yield(yield, command);
  if (command.for_ms) return kExitDone;
  hold(client.get(), std::nullopt);
  end_yield(client.get(), yield);
  return kExitDone;
}

int run_prefetch(const PrefetchCommand& command) {
  const Client client = connect(command.socket);
  const InterruptGuard guard(client.get());
  const ordered_json answer = call(client.get(), "prefetch", {{"models", command.models}});
  if (command.json) {
    fmt::print("{}\n", answer.dump());
  } else {
    Table table({{"MODEL"}, {"WEIGHTS ON"}, {"BEGUN"}});
    for (const auto& row : at(answer, "models")) {
      const std::string action = words(at(row, "action"));
      table.add({words(at(row, "model")), words(at(row, "residency")),
                 action == "load"   ? "load to the device"
                 : action == "host" ? "copy to the host cache"
                                    : "nothing"});
    }
    fmt::print("{}", table.text(view_of(STDOUT_FILENO)));
  }
  std::fflush(stdout);
  const bool interrupted =
      command.hold_ms > 0 && hold(client.get(), std::chrono::milliseconds(command.hold_ms));
  return interrupted ? kExitInterrupted : kExitDone;
}

}  // namespace gpumodelctl
