#include "gpumodelctl/session.hpp"

#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "gpumodelctl/format.hpp"

namespace gpumodelctl {
namespace {

std::atomic<gm_client*> interrupted_client{nullptr};

void interrupt_client(int) {
  if (gm_client* client = interrupted_client.load()) gm_client_interrupt(client);
}

// Erases the line that it drew before, so that nothing of it stays when the work goes on.
void show_progress(gm_client*, const gm_event* event, void*) {
  switch (event->type) {
    case GM_EVENT_QUEUED:
      fmt::print(stderr, "\r\033[Kwaiting, position {}{}", event->position,
                 event->eta_ms != 0 ? ", about " + format_ms(event->eta_ms) : "");
      break;
    case GM_EVENT_LOADING:
      fmt::print(stderr, "\r\033[Kloading {:.0f}%", 100 * event->fraction);
      break;
    default:
      return;
  }
  std::fflush(stderr);
}

}  // namespace

Client connect(const std::string& socket) {
  gm_client_options options = GM_CLIENT_OPTIONS_INIT;
  options.socket_path = socket.empty() ? nullptr : socket.c_str();
  options.app_name = "gpumodelctl";
  if (isatty(STDERR_FILENO)) options.on_event = show_progress;
  gm_client* client = nullptr;
  check(gm_client_open(&options, &client));
  return Client(client);
}

nlohmann::ordered_json call(gm_client* client, const char* method,
                            const nlohmann::ordered_json& params) {
  constexpr int kTimeoutMs = 60'000;
  std::string text;
  try {
    text = params.dump();
  } catch (const nlohmann::json::exception&) {
    throw usage_failure("the input is not valid UTF-8 text");
  }
  char* result = nullptr;
  check(gm_call_json(client, method, text.c_str(), kTimeoutMs, &result));
  return nlohmann::ordered_json::parse(Text(result).get());
}

Lease acquire(gm_client* client, const std::string& model, int wait_ms) {
  gm_lease_options options = GM_LEASE_OPTIONS_INIT;
  options.wait_ms = wait_ms;
  gm_lease* lease = nullptr;
  const gm_status status = gm_lease_acquire(client, model.c_str(), &options, &lease);
  if (isatty(STDERR_FILENO)) fmt::print(stderr, "\r\033[K");
  check(status);
  return Lease(lease);
}

void release(gm_lease* lease) { check(gm_lease_release(lease, GM_WAIT_FOREVER, nullptr)); }

InterruptGuard::InterruptGuard(gm_client* client) {
  interrupted_client = client;
  struct sigaction action = {};
  action.sa_handler = interrupt_client;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

InterruptGuard::~InterruptGuard() {
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  interrupted_client = nullptr;
}

std::string read_input(const std::string& path) {
  const bool standard = path == "-";
  std::FILE* file = standard ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw usage_failure(fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  std::string text;
  char buffer[65536];
  while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, size);
  const bool failed = std::ferror(file) != 0;
  if (!standard) std::fclose(file);
  if (failed) throw usage_failure(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  return text;
}

}  // namespace gpumodelctl
