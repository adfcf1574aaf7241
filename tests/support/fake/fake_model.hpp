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
  std::string dtype = "bf16";            // what "auto" resolves to
  std::chrono::milliseconds load_ms{0};  // from the files: a load, a fill
  std::chrono::milliseconds use_ms{0};   // a load from a complete image
  std::chrono::milliseconds unload_ms{0};
  std::chrono::milliseconds token_ms{0};  // each token, the first too
  std::chrono::milliseconds inspect_ms{0};
  std::uint64_t residual_bytes = 0;  // what an unload leaves behind
  std::uint32_t eos_after = 0;       // tokens until the model ends by itself; 0: never
  // What goes wrong instead; empty: nothing. A file "fail" in the folder says it in this one's
  // place, so that a test can change it without changing the identity.
  //   model_bad   loads and fills (refused)     nomem       loads (refused)
  //   crash       loads (the engine dies)       hang        loads and fills (no answer)
  //   crash_fill  what fills an image: the engine dies half way through it
  //   crash_use   what loads from an image      verify      checks of an image: it is found bad
  //   inspect     inspect alone (model_bad)
  std::string fail;
  std::string identity;  // of the folder and its fake.json as they were read
  std::string folder;

  // Of an adapter: what its words begin with, the folder's name.
  std::string voice() const;
  std::uint64_t image_bytes() const;  // tensor_bytes in whole pages
  // While there is a file "wrong" in the folder the model says other words than it did before.
  bool is_wrong() const;
};

// Throws wire::Error{model_bad} as the probe does for a real folder.
FakeModel read_fake_model(const std::string& folder);

// As a fatal device error ends an engine: at once.
[[noreturn]] void crash();

}  // namespace gpumodel::test
