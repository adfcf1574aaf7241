#include "gpumodelctl/watch.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>

#include "gpumodelctl/screen.hpp"
#include "gpumodelctl/session.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

// One report on one screen, from the first answer to the end.
class Watch {
 public:
  Watch(const ReportCommand& command, const Report& report, gm_client* client)
      : json_(command.json),
        report_(report),
        client_(client),
        pause_(std::chrono::duration_cast<Clock::duration>(
            std::chrono::duration<double>(command.watch_seconds))) {}

  void ask() { answer_ = call(client_, report_.method, ordered_json::object()); }

  std::string text() const {
    if (!json_) return report_.words(answer_, view_of(STDOUT_FILENO));
    return (report_.json ? report_.json(answer_) : answer_).dump() + '\n';
  }

  void run() {
    const InterruptGuard guard(client_);
    ask();  // a failure comes before the terminal changes
    Screen screen(/*redraw=*/!json_);
    try {
      while (screen.show(text()) && wait_for_next(screen, Clock::now() + pause_)) ask();
    } catch (const Failure& failure) {
      if (failure.exit != kExitInterrupted) throw;
    }
  }

 private:
  // Until the time for the next frame, or the end: false. What needs no new answer is drawn at
  // once.
  bool wait_for_next(Screen& screen, Clock::time_point next) {
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
      switch (screen.wait(client_, left)) {
        case Screen::Woken::time:
          return true;
        case Screen::Woken::ended:
          return false;
        case Screen::Woken::key:
          if (report_.on_key && report_.on_key(screen.key()) && !screen.show(text())) return false;
          break;
        case Screen::Woken::changed:
          if (!screen.show(text())) return false;
          break;
        case Screen::Woken::client:
          const gm_status status = gm_client_dispatch(client_, 0);
          if (status == GM_E_INTERRUPTED) return false;
          check(status);
      }
    }
  }

  bool json_;
  const Report& report_;
  gm_client* client_;
  Clock::duration pause_;
  ordered_json answer_;
};

}  // namespace

int run_report(const ReportCommand& command, const Report& report) {
  const Client client = connect(command.socket);
  Watch watch(command, report, client.get());
  if (command.watch_seconds > 0) {
    watch.run();
  } else {
    watch.ask();
    fmt::print("{}", watch.text());
  }
  return kExitDone;
}

}  // namespace gpumodelctl
