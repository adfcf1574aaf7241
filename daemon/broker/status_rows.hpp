// The map that `status` answers with, field by field (PROTOCOL.md "status").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "wire/codec.hpp"

namespace gpumodel::broker::status {

using OptionalBytes = std::optional<std::uint64_t>;

struct Daemon {
  std::string version;
  int protocol = 0;
  std::int64_t pid = 0;
  std::int64_t uptime_s = 0;
  bool draining = false;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("version", self.version);
    visit("protocol", self.protocol);
    visit("pid", self.pid);
    visit("uptime_s", self.uptime_s);
    visit("draining", self.draining);
  }
};

struct Engine {
  std::string state;
  std::optional<std::int64_t> pid;
  std::uint32_t restarts = 0;
  OptionalBytes resident_bytes;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("state", self.state);
    visit("pid", self.pid);
    visit("restarts", self.restarts);
    visit("resident_bytes", self.resident_bytes);
  }
};

struct Device {
  std::string name;
  std::string kind;
  std::string state;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t reserve_bytes = 0;
  OptionalBytes foreign_bytes;  // nothing before the first reading
  std::uint64_t yielded_bytes = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t free_bytes = 0;
  bool draining = false;
  Engine engine;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("name", self.name);
    visit("kind", self.kind);
    visit("state", self.state);
    visit("capacity_bytes", self.capacity_bytes);
    visit("reserve_bytes", self.reserve_bytes);
    visit("foreign_bytes", self.foreign_bytes);
    visit("yielded_bytes", self.yielded_bytes);
    visit("used_bytes", self.used_bytes);
    visit("free_bytes", self.free_bytes);
    visit("draining", self.draining);
    visit("engine", self.engine);
  }
};

struct Weights {
  std::uint64_t id = 0;
  std::optional<std::string> device;
  std::string residency;
  std::uint64_t tensor_bytes = 0;
  std::uint64_t kv_bytes = 0;
  std::uint64_t workspace_bytes = 0;
  std::vector<std::string> models;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("id", self.id);
    visit("device", self.device);
    visit("residency", self.residency);
    visit("tensor_bytes", self.tensor_bytes);
    visit("kv_bytes", self.kv_bytes);
    visit("workspace_bytes", self.workspace_bytes);
    visit("models", self.models);
  }
};

struct Load {
  std::uint64_t ms = 0;
  std::uint64_t bytes = 0;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("ms", self.ms);
    visit("bytes", self.bytes);
  }
};

struct Unload {
  std::uint64_t ms = 0;
  std::uint64_t expected_bytes = 0;
  std::uint64_t freed_bytes = 0;
  std::uint64_t residual_bytes = 0;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("ms", self.ms);
    visit("expected_bytes", self.expected_bytes);
    visit("freed_bytes", self.freed_bytes);
    visit("residual_bytes", self.residual_bytes);
  }
};

struct Model {
  std::string name;
  std::string state = "not_loaded";
  std::optional<std::string> device;
  std::optional<std::string> dtype;
  std::optional<std::string> architecture;
  std::optional<std::uint64_t> parameters;
  std::optional<std::uint32_t> context_tokens;
  OptionalBytes device_bytes;
  std::uint64_t adapter_bytes = 0;
  bool pinned = false;
  std::uint32_t leases = 0;
  std::uint32_t waiting = 0;
  std::int64_t since_ms = 0;
  std::optional<Load> load;
  std::optional<Unload> unload;
  wire::Raw error;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("name", self.name);
    visit("state", self.state);
    visit("device", self.device);
    visit("dtype", self.dtype);
    visit("architecture", self.architecture);
    visit("parameters", self.parameters);
    visit("context_tokens", self.context_tokens);
    visit("device_bytes", self.device_bytes);
    visit("adapter_bytes", self.adapter_bytes);
    visit("pinned", self.pinned);
    visit("leases", self.leases);
    visit("waiting", self.waiting);
    visit("since_ms", self.since_ms);
    visit("load", self.load);
    visit("unload", self.unload);
    visit("error", self.error);
  }
};

// The holder of a lease, or who waits for one.
struct Lease {
  std::uint64_t id = 0;
  std::uint64_t epoch = 0;
  std::string model;
  std::string state;
  std::uint32_t uid = 0;
  std::optional<std::string> user;
  std::int64_t pid = 0;
  std::string app;
  std::int64_t age_ms = 0;
  std::int64_t idle_ms = 0;
  std::uint64_t output_tokens = 0;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("id", self.id);
    visit("epoch", self.epoch);
    visit("model", self.model);
    visit("state", self.state);
    visit("uid", self.uid);
    visit("user", self.user);
    visit("pid", self.pid);
    visit("app", self.app);
    visit("age_ms", self.age_ms);
    visit("idle_ms", self.idle_ms);
    visit("output_tokens", self.output_tokens);
  }
};

// A request that is not answered yet; whose it is, its lease says.
struct Generation {
  std::uint64_t lease = 0;
  std::string model;
  std::string state;
  std::uint32_t uid = 0;
  std::optional<std::string> user;
  std::int64_t pid = 0;
  std::int64_t age_ms = 0;
  std::optional<std::int64_t> first_token_ms;
  std::optional<std::uint64_t> output_tokens;  // nothing where it is not streamed
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("lease", self.lease);
    visit("model", self.model);
    visit("state", self.state);
    visit("uid", self.uid);
    visit("user", self.user);
    visit("pid", self.pid);
    visit("age_ms", self.age_ms);
    visit("first_token_ms", self.first_token_ms);
    visit("output_tokens", self.output_tokens);
  }
};

struct Waiter {
  std::uint32_t position = 0;
  std::vector<std::string> models;
  std::uint32_t uid = 0;
  std::optional<std::string> user;
  std::int64_t pid = 0;
  std::int64_t waited_ms = 0;
  std::optional<std::int64_t> eta_ms;
  std::string reason;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("position", self.position);
    visit("models", self.models);
    visit("uid", self.uid);
    visit("user", self.user);
    visit("pid", self.pid);
    visit("waited_ms", self.waited_ms);
    visit("eta_ms", self.eta_ms);
    visit("reason", self.reason);
  }
};

struct HostCache {
  std::uint64_t capacity_bytes = 0;
  std::uint64_t used_bytes = 0;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("capacity_bytes", self.capacity_bytes);
    visit("used_bytes", self.used_bytes);
  }
};

// Bytes that an administrator keeps free for other programs.
struct Yield {
  std::uint64_t id = 0;
  std::string device;
  std::uint64_t bytes = 0;
  std::optional<std::int64_t> until_ms;
  std::optional<std::string> user;
  std::int64_t pid = 0;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("id", self.id);
    visit("device", self.device);
    visit("bytes", self.bytes);
    visit("until_ms", self.until_ms);
    visit("user", self.user);
    visit("pid", self.pid);
  }
};

struct Models {
  std::vector<Model> models;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("models", self.models);
  }
};

struct Status {
  int schema = 1;
  Daemon daemon;
  std::vector<Device> devices;
  std::vector<Weights> weights;
  std::vector<Model> models;
  std::vector<Lease> leases;
  std::vector<Waiter> queue;
  HostCache host_cache;
  std::vector<Yield> yields;
  std::vector<Generation> generations;
  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("schema", self.schema);
    visit("daemon", self.daemon);
    visit("devices", self.devices);
    visit("weights", self.weights);
    visit("models", self.models);
    visit("leases", self.leases);
    visit("queue", self.queue);
    visit("host_cache", self.host_cache);
    visit("yields", self.yields);
    visit("generations", self.generations);
  }
};

}  // namespace gpumodel::broker::status
