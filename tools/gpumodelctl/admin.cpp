#include "gpumodelctl/admin.hpp"

#include <fmt/core.h>

#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/format.hpp"
#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

// Unloading waits for the memory to be measured free, however long; Ctrl-C ends the waiting.
ordered_json ask(const Administration& how, const char* method, const ordered_json& params) {
  const Client client = connect(how.socket);
  const InterruptGuard guard(client.get());
  return call(client.get(), method, params, GM_WAIT_FOREVER);
}

int say(const Administration& how, const ordered_json& answer, const std::string& text) {
  fmt::print("{}\n", how.json ? answer.dump() : tamed(text));
  return kExitDone;
}

std::string unload_words(const std::string& model, const ordered_json& report) {
  const auto& outcome = at(report, "outcome");
  if (outcome == "freed")
    return fmt::format("{} is unloaded: {} free again, in {}", model,
                       bytes(at(report, "freed_bytes")), time(at(report, "unload_ms")));
  if (outcome == "unverified")
    return fmt::format("{} is unloaded; this device cannot measure what came back", model);
  if (outcome == "kept") return fmt::format("{} was not loaded", model);
  return fmt::format("{}: {}", model, words(outcome));
}

// "busy" alone does not say whom to ask.
Failure with_holders(Failure failure) {
  std::string message = failure.what();
  for (const auto& lease : at(at(failure.error, "detail"), "leases"))
    message += fmt::format("\n  lease {}: user {}, pid {}, {}", words(at(lease, "lease")),
                           tamed(words(at(lease, "user"))), words(at(lease, "pid")),
                           tamed(words(at(lease, "app"))));
  failure.error["message"] = message;
  return Failure(failure.exit, failure.error);
}

}  // namespace

int run_unload(const Administration& how, const std::string& model, bool force) {
  try {
    const auto report = ask(how, "unload", {{"model", model}, {"force", force}});
    return say(how, report, unload_words(model, report));
  } catch (const Failure& failure) {
    if (failure.exit != kExitBusy || how.json) throw;
    throw with_holders(failure);
  }
}

int run_pin(const Administration& how, const std::string& model, bool on) {
  const auto answer = ask(how, "pin", {{"model", model}, {"on", on}});
  const bool pinned = at(answer, "pinned") == true;
  return say(how, answer,
             model + (pinned ? " is pinned: once loaded it stays" : " is not pinned any more"));
}

int run_drain(const Administration& how, const std::string& device, bool on) {
  const auto answer =
      ask(how, "drain",
          {{"device", device.empty() ? ordered_json() : ordered_json(device)}, {"on", on}});
  const std::string what = device.empty() ? "the daemon" : device;
  const bool draining = at(answer, "draining") == true;
  return say(how, answer,
             what + (draining ? " drains: no new work; what runs goes on" : " takes work again"));
}

int run_revoke(const Administration& how, std::uint64_t lease, const std::string& reason) {
  const auto answer = ask(how, "revoke", {{"lease", lease}, {"reason", reason}});
  return say(
      how, answer,
      fmt::format("lease {} on {} of user {} (pid {}) is revoked", lease,
                  words(at(answer, "model")), words(at(answer, "user")), words(at(answer, "pid"))));
}

}  // namespace gpumodelctl
