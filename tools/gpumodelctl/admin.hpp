// What administrators do to models, devices and leases: unload, pin, drain, revoke.
#pragma once

#include <cstdint>
#include <string>

namespace gpumodelctl {

struct Administration {
  std::string socket;
  bool json = false;
};

// Each says what was done, in words or as the daemon's JSON; returns an exit code and throws
// Failure.
int run_unload(const Administration& how, const std::string& model, bool force);
int run_pin(const Administration& how, const std::string& model, bool on);
// `device` empty: the daemon.
int run_drain(const Administration& how, const std::string& device, bool on);
int run_revoke(const Administration& how, std::uint64_t lease, const std::string& reason);

}  // namespace gpumodelctl
