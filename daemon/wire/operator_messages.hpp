// The structs of PROTOCOL.md's methods for seeing and administrating the daemon, and of what a
// connection is told unasked; units, ranges and errors stand there.
#pragma once

#include "wire/codec.hpp"
#include "wire/limits.hpp"

namespace gpumodel::wire {

// ---- plan

struct PlanParams {
  std::vector<std::string> models;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("models", self.models);
  }
};

struct PlanStep {
  std::string action;
  std::string model;
  std::optional<std::string> device;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> ms;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("action", self.action);
    visit("model", self.model);
    visit("device", self.device);
    visit("bytes", self.bytes);
    visit("ms", self.ms);
  }
};

struct PlanResult {
  bool fits = false;
  std::optional<std::string> error;
  std::uint64_t missing_bytes = 0;
  std::vector<PlanStep> steps;
  std::optional<std::uint64_t> total_ms;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("fits", self.fits);
    visit("error", self.error);
    visit("missing_bytes", self.missing_bytes);
    visit("steps", self.steps);
    visit("total_ms", self.total_ms);
  }
};

// ---- why

// A model by name, where a method needs nothing else.
struct ModelParams {
  std::string model;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("model", self.model);
  }
};

struct Decision {
  std::int64_t time_ms = 0;
  std::string action;
  std::string reason;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("time_ms", self.time_ms);
    visit("action", self.action);
    visit("reason", self.reason);
  }
};

struct WhyResult {
  std::string model;
  std::string state;
  std::string reason;
  std::vector<Decision> decisions;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("model", self.model);
    visit("state", self.state);
    visit("reason", self.reason);
    visit("decisions", self.decisions);
  }
};

// ---- events

struct EventsParams {
  std::uint64_t after_seq = 0;
  std::uint32_t limit = kDefaultEvents;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("after_seq", self.after_seq);
    visit("limit", self.limit);
  }
};

struct Event {
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
  std::string type;
  std::optional<std::string> model;
  std::optional<std::string> device;
  std::optional<std::string> user;
  std::optional<std::uint64_t> bytes;
  std::optional<std::uint64_t> ms;
  std::optional<std::string> reason;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("seq", self.seq);
    visit("time_ms", self.time_ms);
    visit("type", self.type);
    visit("model", self.model);
    visit("device", self.device);
    visit("user", self.user);
    visit("bytes", self.bytes);
    visit("ms", self.ms);
    visit("reason", self.reason);
  }
};

struct EventsResult {
  std::vector<Event> events;
  std::uint64_t next_seq = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("events", self.events);
    visit("next_seq", self.next_seq);
  }
};

struct SubscribeParams {
  bool on = true;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("on", self.on);
  }
};

struct SubscribeResult {
  std::uint64_t next_seq = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("next_seq", self.next_seq);
  }
};

// ---- prefetch

struct PrefetchParams {
  std::vector<std::string> models;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("models", self.models);
  }
};

struct PrefetchedModel {
  std::string model;
  std::string residency;
  std::string action;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("model", self.model);
    visit("residency", self.residency);
    visit("action", self.action);
  }
};

struct PrefetchResult {
  std::vector<PrefetchedModel> models;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("models", self.models);
  }
};

// ---- administration

struct UnloadModelParams {
  std::string model;
  bool force = false;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("model", self.model);
    visit("force", self.force);
  }
};

struct LeaseHolder {
  std::uint64_t lease = 0;
  std::optional<std::string> user;
  std::int64_t pid = 0;
  std::string app;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("lease", self.lease);
    visit("user", self.user);
    visit("pid", self.pid);
    visit("app", self.app);
  }
};

// The detail of `busy` where a model is leased.
struct LeasedDetail {
  std::vector<LeaseHolder> leases;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("leases", self.leases);
  }
};

struct PinParams {
  std::string model;
  bool on = true;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("model", self.model);
    visit("on", self.on);
  }
};

struct PinResult {
  std::string model;
  bool pinned = false;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("model", self.model);
    visit("pinned", self.pinned);
  }
};

struct YieldParams {
  std::string device;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> for_ms;
  std::int64_t wait_ms = -1;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("device", self.device);
    visit("bytes", self.bytes);
    visit("for_ms", self.for_ms);
    visit("wait_ms", self.wait_ms);
  }
};

struct YieldResult {
  std::uint64_t yield = 0;
  std::string device;
  std::uint64_t bytes = 0;
  std::optional<std::int64_t> until_ms;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("yield", self.yield);
    visit("device", self.device);
    visit("bytes", self.bytes);
    visit("until_ms", self.until_ms);
  }
};

struct YieldEndParams {
  std::uint64_t yield = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("yield", self.yield);
  }
};

struct DrainParams {
  std::optional<std::string> device;
  bool on = true;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("device", self.device);
    visit("on", self.on);
  }
};

struct DrainResult {
  bool draining = false;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("draining", self.draining);
  }
};

struct RevokeParams {
  std::uint64_t lease = 0;
  std::string reason;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("lease", self.lease);
    visit("reason", self.reason);
  }
};

struct RevokeResult {
  std::uint64_t lease = 0;
  std::string model;
  std::optional<std::string> user;
  std::int64_t pid = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("lease", self.lease);
    visit("model", self.model);
    visit("user", self.user);
    visit("pid", self.pid);
  }
};

// ---- what a connection is told of its leases

// lease.suspended and lease.resumed.
struct LeaseNotice {
  std::uint64_t lease = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("lease", self.lease);
  }
};

struct LeaseLost {
  std::uint64_t lease = 0;
  std::string reason;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("lease", self.lease);
    visit("reason", self.reason);
  }
};

// ---- memory of others

struct ForeignHolder {
  std::int64_t pid = 0;
  std::optional<std::string> user;
  std::string command;
  std::uint64_t bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("pid", self.pid);
    visit("user", self.user);
    visit("command", self.command);
    visit("bytes", self.bytes);
  }
};

// The detail of `foreign`.
struct ForeignDetail {
  std::uint64_t needed_bytes = 0;
  std::uint64_t missing_bytes = 0;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t foreign_bytes = 0;
  std::vector<ForeignHolder> holders;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("needed_bytes", self.needed_bytes);
    visit("missing_bytes", self.missing_bytes);
    visit("capacity_bytes", self.capacity_bytes);
    visit("foreign_bytes", self.foreign_bytes);
    visit("holders", self.holders);
  }
};

}  // namespace gpumodel::wire
