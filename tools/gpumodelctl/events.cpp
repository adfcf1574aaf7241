#include "gpumodelctl/events.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <deque>

#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/format.hpp"
#include "gpumodelctl/screen.hpp"
#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

constexpr int kMostEvents = 1000;  // that one answer holds

Tone tone_of(const std::string& type) {
  if (type == "loaded" || type == "granted" || type == "resumed") return Tone::good;
  if (type == "load_failed" || type == "engine_lost" || type == "device_failed" ||
      type == "residual")
    return Tone::bad;
  if (type == "suspended" || type == "evicting" || type == "refused" || type == "revoked" ||
      type == "foreign" || type == "host_pressure" || type == "draining")
    return Tone::warning;
  return Tone::plain;
}

void collect(gm_client*, const gm_event* event, void* user) {
  if (event->type != GM_EVENT_DAEMON) return;
  // No exception may pass through the library; print_new meets what is no event.
  static_cast<std::deque<ordered_json>*>(user)->push_back(
      ordered_json::parse(event->json, nullptr, /*allow_exceptions=*/false));
}

// Prints events in the order of their numbers, each once.
class Printer {
 public:
  Printer(Screen& screen, gm_client* client, const EventsCommand& command)
      : screen_(screen),
        client_(client),
        json_(command.json),
        colour_(wants_colour(STDOUT_FILENO)),
        seen_(command.after_seq) {}

  // All of the following: false when nobody reads any more.

  // Those that the daemon keeps, `limit` at most.
  bool print_kept(int limit) {
    const auto answer = call(client_, "events", {{"after_seq", seen_}, {"limit", limit}});
    for (const auto& event : at(answer, "events"))
      if (!print(event)) return false;
    return true;
  }

  bool print_new(const ordered_json& event) {
    const auto seq = event.at("seq").get<std::uint64_t>();
    if (seq <= seen_) return true;
    if (seen_ != 0 && seq > seen_ + 1 && !print_kept(kMostEvents)) return false;
    return seq <= seen_ || print(event);
  }

 private:
  bool print(const ordered_json& event) {
    seen_ = event.at("seq").get<std::uint64_t>();
    return screen_.show((json_ ? event.dump() : event_line(event, colour_)) + '\n');
  }

  Screen& screen_;
  gm_client* client_;
  bool json_;
  bool colour_;
  std::uint64_t seen_;  // the last number printed
};

int follow(Printer& printer, Screen& screen, gm_client* client,
           std::deque<ordered_json>& incoming) {
  for (;;) {
    while (!incoming.empty()) {
      const ordered_json event = std::move(incoming.front());
      incoming.pop_front();
      if (!printer.print_new(event)) return kExitDone;
    }
    if (screen.wait(client, std::chrono::hours(1)) == Screen::Woken::ended) return kExitDone;
    const gm_status status = gm_client_dispatch(client, 0);
    if (status == GM_E_INTERRUPTED) return kExitDone;
    check(status);
  }
}

}  // namespace

std::string event_line(const ordered_json& event, bool colour) {
  std::string type = words(at(event, "type"));
  const Tone tone = tone_of(type);
  type.resize(std::max<std::size_t>(type.size(), 14), ' ');
  std::string what = at(event, "model").is_null() ? "" : words(at(event, "model"));
  if (const auto& device = at(event, "device"); !device.is_null())
    what += (what.empty() ? "" : " on ") + words(device);
  if (const auto& size = at(event, "bytes"); !size.is_null())
    what += (what.empty() ? "" : ", ") + bytes(size);
  if (const auto& ms = at(event, "ms"); !ms.is_null()) what += " in " + time(ms);
  if (const auto& reason = at(event, "reason"); !reason.is_null())
    what += (what.empty() ? "" : ": ") + words(reason);
  if (const auto& user = at(event, "user"); !user.is_null()) what += " (user " + words(user) + ")";
  return wall_time(at(event, "time_ms")) + "  " + painted(tone, tamed(type), colour) + "  " +
         tamed(what);
}

int run_events(const EventsCommand& command) {
  std::deque<ordered_json> incoming;
  const Client client = connect(command.socket, collect, &incoming);
  const InterruptGuard guard(client.get());
  Screen screen(/*redraw=*/false);
  Printer printer(screen, client.get(), command);
  // Subscribed before the kept ones are asked for, so that none falls between.
  if (command.follow) check(gm_subscribe(client.get(), 1, kCallMs));
  if (!printer.print_kept(command.limit) || !command.follow) return kExitDone;
  return follow(printer, screen, client.get(), incoming);
}

}  // namespace gpumodelctl
