// One connection and its handles, closed on every path; Ctrl-C as an interruption of what runs.
#pragma once

#include <gpumodel.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

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

// Connects. `socket` empty: $GPUMODEL_SOCKET or the default. Where stderr is a terminal, waiting and
// loading are shown there on one line.
Client connect(const std::string& socket);

// Any method of the protocol. Throws Failure.
nlohmann::ordered_json call(gm_client* client, const char* method, const nlohmann::ordered_json& params);

// Waits `wait_ms` (GM_WAIT_FOREVER: as long as the daemon allows) for a lease on one model.
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
