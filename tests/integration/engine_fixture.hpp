// gpumodel-engine itself, over a socketpair, with the real demo model.
#pragma once

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/testdata.hpp"
#include "support/wire_client.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::test {

constexpr std::uint32_t kContext = 2048;
constexpr std::uint64_t kMiB = 1u << 20;

// A program with one end of a socketpair, whose number stands for "FD" in its arguments, and a
// client at the other.
struct Child {
  explicit Child(std::vector<std::string> arguments);

  std::unique_ptr<Process> process;
  std::unique_ptr<WireClient> client;
};

// What a probe says of the demo model.
wire::InspectResult inspect(const std::string& dtype);

// A started engine.
struct Engine : Child {
  explicit Engine(std::uint64_t capacity_bytes = 4096 * kMiB);

  static wire::LoadParams load_params(std::uint64_t weights, const std::string& dtype);
  wire::LoadResult load(std::uint64_t weights, const std::string& dtype = "bf16");
  wire::UnloadResult unload(std::uint64_t weights);

  // A greedy one on weights 1.
  static wire::EngineGenerateParams request(const std::string& prompt, std::int64_t max_tokens);
  std::uint32_t begin(const wire::EngineGenerateParams& params);
  wire::GenerateResult end(std::uint32_t id);
  wire::GenerateResult generate(const wire::EngineGenerateParams& params);
  wire::Error refusal(const wire::EngineGenerateParams& params);

  wire::StartResult started;
};

}  // namespace gpumodel::test
