// The structs of ENGINE_PROTOCOL.md; units, ranges and errors stand there.
#pragma once

#include "wire/messages.hpp"

namespace gpumodel::wire {

struct EngineDevice {
  std::string name;
  std::string kind;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("name", self.name);
    visit("kind", self.kind);
  }
};

struct StartParams {
  std::string version;
  EngineDevice device;
  std::uint64_t capacity_bytes = 0;
  std::uint32_t threads = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("version", self.version);
    visit("device", self.device);
    visit("capacity_bytes", self.capacity_bytes);
    visit("threads", self.threads);
  }
};

struct StartResult {
  std::string version;
  std::int64_t pid = 0;
  std::string backend;
  std::uint32_t threads = 0;
  std::uint64_t resident_bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("version", self.version);
    visit("pid", self.pid);
    visit("backend", self.backend);
    visit("threads", self.threads);
    visit("resident_bytes", self.resident_bytes);
  }
};

struct LoadParams {
  std::uint64_t weights = 0;
  std::string path;
  std::string dtype = "auto";
  std::string identity;
  std::uint32_t context_tokens = 0;
  std::uint64_t kv_bytes = 0;
  std::uint64_t workspace_bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("weights", self.weights);
    visit("path", self.path);
    visit("dtype", self.dtype);
    visit("identity", self.identity);
    visit("context_tokens", self.context_tokens);
    visit("kv_bytes", self.kv_bytes);
    visit("workspace_bytes", self.workspace_bytes);
  }
};

struct LoadResult {
  std::uint64_t tensor_bytes = 0;
  std::uint64_t kv_bytes = 0;
  std::uint64_t workspace_bytes = 0;
  std::uint64_t ms = 0;
  std::uint64_t resident_bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("tensor_bytes", self.tensor_bytes);
    visit("kv_bytes", self.kv_bytes);
    visit("workspace_bytes", self.workspace_bytes);
    visit("ms", self.ms);
    visit("resident_bytes", self.resident_bytes);
  }
};

struct LoadProgress {
  std::uint64_t weights = 0;
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("weights", self.weights);
    visit("done_bytes", self.done_bytes);
    visit("total_bytes", self.total_bytes);
  }
};

struct UnloadParams {
  std::uint64_t weights = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("weights", self.weights);
  }
};

struct UnloadResult {
  std::uint64_t expected_bytes = 0;
  std::uint64_t freed_bytes = 0;
  std::uint64_t residual_bytes = 0;
  std::uint64_t ms = 0;
  std::uint64_t resident_bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("expected_bytes", self.expected_bytes);
    visit("freed_bytes", self.freed_bytes);
    visit("residual_bytes", self.residual_bytes);
    visit("ms", self.ms);
    visit("resident_bytes", self.resident_bytes);
  }
};

struct EngineGenerateParams {
  std::uint64_t weights = 0;
  std::uint32_t uid = 0;
  std::uint32_t context_tokens = 0;
  GenerationParams generation;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("weights", self.weights);
    visit("uid", self.uid);
    visit("context_tokens", self.context_tokens);
    GenerationParams::fields(self.generation, visit);
  }
};

struct WeightsMeasure {
  std::uint64_t weights = 0;
  std::uint64_t resident_bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("weights", self.weights);
    visit("resident_bytes", self.resident_bytes);
  }
};

struct MeasureResult {
  std::uint64_t resident_bytes = 0;
  std::vector<WeightsMeasure> weights;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("resident_bytes", self.resident_bytes);
    visit("weights", self.weights);
  }
};

// ---- probe

struct ProbedDevice {
  std::string name;
  std::string kind;
  std::uint64_t total_bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("name", self.name);
    visit("kind", self.kind);
    visit("total_bytes", self.total_bytes);
  }
};

struct DevicesResult {
  std::vector<ProbedDevice> devices;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("devices", self.devices);
  }
};

struct InspectParams {
  std::string path;
  std::string dtype = "auto";

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("path", self.path);
    visit("dtype", self.dtype);
  }
};

struct InspectResult {
  std::string identity;
  std::string architecture;
  std::string dtype;
  std::uint64_t parameters = 0;
  std::uint32_t vocab_size = 0;
  std::uint32_t context_tokens = 0;
  std::uint64_t tensor_bytes = 0;
  std::uint64_t kv_bytes_per_token = 0;
  std::uint64_t workspace_bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("identity", self.identity);
    visit("architecture", self.architecture);
    visit("dtype", self.dtype);
    visit("parameters", self.parameters);
    visit("vocab_size", self.vocab_size);
    visit("context_tokens", self.context_tokens);
    visit("tensor_bytes", self.tensor_bytes);
    visit("kv_bytes_per_token", self.kv_bytes_per_token);
    visit("workspace_bytes", self.workspace_bytes);
  }
};

// The target of the probe's text methods.
struct FolderTarget {
  std::string path;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("path", self.path);
  }
};

}  // namespace gpumodel::wire
