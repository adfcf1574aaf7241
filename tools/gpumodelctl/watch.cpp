#include "gpumodelctl/watch.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>

#include "gpumodelctl/format.hpp"
#include "gpumodelctl/screen.hpp"
#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

// Until the time for the next frame, or the end: false.
bool wait_for_next(Screen& screen, gm_client* client, Clock::time_point next) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
    switch (screen.wait(client, left)) {
      case Screen::Woken::time:
        return true;
      case Screen::Woken::ended:
        return false;
      case Screen::Woken::client:
        const gm_status status = gm_client_dispatch(client, 0);
        if (status == GM_E_INTERRUPTED) return false;
        check(status);
    }
  }
}

}  // namespace

int run_report(const ReportCommand& command, const char* method,
               std::string (*words)(const ordered_json&, bool)) {
  const Client client = connect(command.socket);
  const bool colour = wants_colour(STDOUT_FILENO);
  const auto ask = [&] {
    const ordered_json answer = call(client.get(), method, ordered_json::object());
    return command.json ? answer.dump() + '\n' : words(answer, colour);
  };
  if (command.watch_seconds <= 0) {
    fmt::print("{}", ask());
    return kExitDone;
  }
  const auto pause = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(command.watch_seconds));
  const InterruptGuard guard(client.get());
  const std::string first = ask();  // a failure comes before the terminal changes
  Screen screen(/*redraw=*/!command.json);
  bool goes_on = screen.show(first);
  while (goes_on && wait_for_next(screen, client.get(), Clock::now() + pause)) {
    try {
      goes_on = screen.show(ask());
    } catch (const Failure& failure) {
      if (failure.exit != kExitInterrupted) throw;
      goes_on = false;
    }
  }
  return kExitDone;
}

}  // namespace gpumodelctl
