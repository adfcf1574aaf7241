// A model folder of the tests: no weights, only fake.json, which says how the fake engine behaves
// for it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace gpumodel::test {

// Every key of fake.json may be absent. Example:
//   {"tensor_bytes": 1000000, "load_ms": 50, "fail": "nomem"}
struct FakeModel {
  std::uint64_t tensor_bytes = 1u << 20;
  std::uint64_t kv_bytes_per_token = 1024;
  std::uint64_t workspace_bytes = 1u << 16;
  std::uint32_t context_tokens = 1024;
  std::uint32_t vocab_size = 4096;
  std::uint64_t parameters = 1000;
  std::string architecture = "FakeForCausalLM";
  std::string dtype = "bf16";  // what "auto" resolves to
  std::chrono::milliseconds load_ms{0};
  std::chrono::milliseconds unload_ms{0};
  std::chrono::milliseconds token_ms{0};  // each token, the first too
  std::chrono::milliseconds inspect_ms{0};
  std::uint64_t residual_bytes = 0;  // what an unload leaves behind
  std::uint32_t eos_after = 0;       // tokens until the model ends by itself; 0: never
  // What a load does instead: "model_bad", "nomem", "crash", "hang". "inspect" fails inspect alone,
  // with model_bad. Empty: nothing.
  std::string fail;
  std::string identity;  // of the folder and its fake.json as they were read
};

// Throws wire::Error{model_bad} as the probe does for a real folder.
FakeModel read_fake_model(const std::string& folder);

}  // namespace gpumodel::test
