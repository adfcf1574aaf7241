// One connection and its handles, closed on every path; Ctrl-C as an interruption of what runs.
#pragma once

#include <gpumodel.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gpumodelctl/failure.hpp"

namespace gpumodelctl {

struct Closer {
  void operator()(gm_client* client) const { gm_client_close(client); }
  void operator()(gm_lease* lease) const { gm_lease_free(lease); }
  void operator()(gm_stream* stream) const { gm_stream_free(stream); }
  void operator()(char* text) const { gm_free(text); }
};
using Client = std::unique_ptr<gm_client, Closer>;
using Lease = std::unique_ptr<gm_lease, Closer>;
using Stream = std::unique_ptr<gm_stream, Closer>;
using Text = std::unique_ptr<char, Closer>;

constexpr int kConnectMs = 5000;
// For methods that answer at once.
constexpr int kCallMs = 60'000;

// Connects. `socket` empty: $GPUMODEL_SOCKET or the default. Where stderr is a terminal, waiting
// and loading are shown there on one line.
Client connect(const std::string& socket);
// That: a line on stderr that the next one replaces, and acquire_all erases.
void show_progress(gm_client* client, const gm_event* event, void* user);
// The same, with a callback of the caller's own.
Client connect(const std::string& socket, gm_event_fn on_event, void* user,
               int timeout_ms = kConnectMs);

// The path that connect() goes to, absolute.
std::string socket_path(const std::string& socket);

// Any method of the protocol. Throws Failure.
nlohmann::ordered_json call(gm_client* client, const char* method,
                            const nlohmann::ordered_json& params, int timeout_ms = kCallMs);

// Waits `wait_ms` (GM_WAIT_FOREVER: as long as the daemon allows) for leases on all of the models;
// `flags` are GM_LEASE_*.
std::vector<Lease> acquire_all(gm_client* client, const std::vector<std::string>& models,
                               int wait_ms, std::uint32_t flags);
Lease acquire(gm_client* client, const std::string& model, int wait_ms);

// Releases and waits for the daemon's word that the memory is back where it should be.
void release(gm_lease* lease);

// While one lives, SIGINT and SIGTERM interrupt the client's calls instead of ending the program.
class InterruptGuard {
 public:
  explicit InterruptGuard(gm_client* client);
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

// The whole of a file, or of standard input for "-". Throws a usage Failure that names it.
std::string read_input(const std::string& path);

}  // namespace gpumodelctl
