#include "gpumodelctl/session.hpp"

#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "gpumodelctl/format.hpp"

namespace gpumodelctl {
namespace {

std::atomic<gm_client*> interrupted_client{nullptr};

void interrupt_client(int) {
  if (gm_client* client = interrupted_client.load()) gm_client_interrupt(client);
}

}  // namespace

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

Client connect(const std::string& socket, gm_event_fn on_event, void* user, int timeout_ms) {
  gm_client_options options = GM_CLIENT_OPTIONS_INIT;
  options.socket_path = socket.empty() ? nullptr : socket.c_str();
  options.app_name = "gpumodelctl";
  options.timeout_ms = timeout_ms;
  options.on_event = on_event;
  options.user = user;
  gm_client* client = nullptr;
  check(gm_client_open(&options, &client));
  return Client(client);
}

Client connect(const std::string& socket) {
  return connect(socket, isatty(STDERR_FILENO) ? show_progress : nullptr, nullptr);
}

std::string socket_path(const std::string& socket) {
  const char* const variable = std::getenv("GPUMODEL_SOCKET");
  std::string path = socket;
  if (path.empty())
    path = variable != nullptr && variable[0] != '\0' ? variable : GM_DEFAULT_SOCKET;
  return std::filesystem::absolute(path).string();
}

nlohmann::ordered_json call(gm_client* client, const char* method,
                            const nlohmann::ordered_json& params, int timeout_ms) {
  std::string text;
  try {
    text = params.dump();
  } catch (const nlohmann::json::exception&) {
    throw usage_failure("the input is not valid UTF-8 text");
  }
  char* result = nullptr;
  check(gm_call_json(client, method, text.c_str(), timeout_ms, &result));
  return nlohmann::ordered_json::parse(Text(result).get());
}

std::vector<Lease> acquire_all(gm_client* client, const std::vector<std::string>& models,
                               int wait_ms, std::uint32_t flags) {
  gm_lease_options options = GM_LEASE_OPTIONS_INIT;
  options.wait_ms = wait_ms;
  options.flags = flags;
  std::vector<const char*> names;
  for (const std::string& model : models) names.push_back(model.c_str());
  std::vector<gm_lease*> raw(models.size());
  const gm_status status =
      gm_lease_acquire_all(client, names.data(), names.size(), &options, raw.data());
  if (isatty(STDERR_FILENO)) fmt::print(stderr, "\r\033[K");
  check(status);
  std::vector<Lease> leases;
  for (gm_lease* lease : raw) leases.emplace_back(lease);
  return leases;
}

Lease acquire(gm_client* client, const std::string& model, int wait_ms) {
  return std::move(acquire_all(client, {model}, wait_ms, 0).front());
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
  if (file == nullptr)
    throw usage_failure(fmt::format("cannot open {}: {}", path, std::strerror(errno)));
  std::string text;
  char buffer[65536];
  while (const std::size_t size = std::fread(buffer, 1, sizeof buffer, file))
    text.append(buffer, size);
  const bool failed = std::ferror(file) != 0;
  if (!standard) std::fclose(file);
  if (failed) throw usage_failure(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  return text;
}

}  // namespace gpumodelctl
