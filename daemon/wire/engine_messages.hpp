// The structs of ENGINE_PROTOCOL.md; units, ranges and errors stand there.
#pragma once

#include "wire/frame.hpp"
#include "wire/messages.hpp"

namespace gpumodel::wire {

// Whether a descriptor travels with this frame: the receiver takes the next one that came.
bool carries_fd(const Frame& frame);

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

// Weights in a memfd that the broker owns; its descriptor travels with the message.
struct LoadImage {
  std::string mode;  // kImageFill or kImageUse
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;
  bool verify = false;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("mode", self.mode);
    visit("bytes", self.bytes);
    visit("checksum", self.checksum);
    visit("verify", self.verify);
  }
};

inline constexpr std::string_view kImageFill = "fill";
inline constexpr std::string_view kImageUse = "use";

struct LoadParams {
  std::uint64_t weights = 0;
  std::string path;
  std::string dtype = "auto";
  std::string identity;
  std::uint32_t context_tokens = 0;
  std::uint64_t kv_bytes = 0;
  std::uint64_t workspace_bytes = 0;
  std::optional<LoadImage> image;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("weights", self.weights);
    visit("path", self.path);
    visit("dtype", self.dtype);
    visit("identity", self.identity);
    visit("context_tokens", self.context_tokens);
    visit("kv_bytes", self.kv_bytes);
    visit("workspace_bytes", self.workspace_bytes);
    visit("image", self.image);
  }
};

// An adapter, which becomes something resident of its own: `adapter` is an id among those of
// weights.
struct LoadAdapterParams {
  std::uint64_t adapter = 0;
  std::string path;  // the model's folder
  std::string adapter_path;
  std::string identity;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("adapter", self.adapter);
    visit("path", self.path);
    visit("adapter_path", self.adapter_path);
    visit("identity", self.identity);
  }
};

// The detail of `model_bad` where it is the image that is wrong, not the folder.
struct ImageFault {
  bool image = false;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("image", self.image);
  }
};

struct LoadResult {
  std::uint64_t tensor_bytes = 0;
  std::uint64_t kv_bytes = 0;
  std::uint64_t workspace_bytes = 0;
  std::uint64_t ms = 0;
  std::uint64_t resident_bytes = 0;
  std::optional<std::uint64_t> image_checksum;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("tensor_bytes", self.tensor_bytes);
    visit("kv_bytes", self.kv_bytes);
    visit("workspace_bytes", self.workspace_bytes);
    visit("ms", self.ms);
    visit("resident_bytes", self.resident_bytes);
    visit("image_checksum", self.image_checksum);
  }
};

struct FillParams {
  std::uint64_t weights = 0;
  std::string path;
  std::string dtype = "auto";
  std::string identity;
  std::uint64_t image_bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("weights", self.weights);
    visit("path", self.path);
    visit("dtype", self.dtype);
    visit("identity", self.identity);
    visit("image_bytes", self.image_bytes);
  }
};

struct FillResult {
  std::uint64_t image_checksum = 0;
  std::uint64_t ms = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("image_checksum", self.image_checksum);
    visit("ms", self.ms);
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
  std::optional<std::uint64_t> adapter{};
  std::uint32_t uid = 0;
  std::uint64_t lease = 0;  // of that uid; its generations take turns with other leases'
  std::uint32_t context_tokens = 0;
  bool speculate = true;
  GenerationParams generation;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("weights", self.weights);
    visit("adapter", self.adapter);
    visit("uid", self.uid);
    visit("lease", self.lease);
    visit("context_tokens", self.context_tokens);
    visit("speculate", self.speculate);
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

struct PulseResult {
  std::uint64_t steps = 0;
  bool stepping = false;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("steps", self.steps);
    visit("stepping", self.stepping);
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
  std::optional<std::string> adapter_path{};

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("path", self.path);
    visit("dtype", self.dtype);
    visit("adapter_path", self.adapter_path);
  }
};

struct AdapterFacts {
  std::string identity;
  std::uint64_t bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("identity", self.identity);
    visit("bytes", self.bytes);
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
  std::uint64_t image_bytes = 0;
  std::optional<AdapterFacts> adapter{};

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
    visit("image_bytes", self.image_bytes);
    visit("adapter", self.adapter);
  }
};

struct MemoryParams {
  EngineDevice device;
  std::uint64_t capacity_bytes = 0;
  std::vector<std::int64_t> pids;
  std::uint64_t image_bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("device", self.device);
    visit("capacity_bytes", self.capacity_bytes);
    visit("pids", self.pids);
    visit("image_bytes", self.image_bytes);
  }
};

struct MemoryHolder {
  std::int64_t pid = 0;
  std::uint32_t uid = 0;
  std::string user;
  std::string command;
  std::uint64_t bytes = 0;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("pid", self.pid);
    visit("uid", self.uid);
    visit("user", self.user);
    visit("command", self.command);
    visit("bytes", self.bytes);
  }
};

struct MemoryResult {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
  std::uint64_t foreign_bytes = 0;
  std::vector<MemoryHolder> holders;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("total_bytes", self.total_bytes);
    visit("available_bytes", self.available_bytes);
    visit("foreign_bytes", self.foreign_bytes);
    visit("holders", self.holders);
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
