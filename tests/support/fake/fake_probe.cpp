#include "support/fake/fake_probe.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/memory/machine.hpp"
#include "support/fake/fake_model.hpp"
#include "support/fake/fake_text.hpp"
#include "wire/engine_messages.hpp"

namespace gpumodel::test {
namespace {

using std::chrono::milliseconds;
using wire::Code;
using wire::Error;

std::uint64_t machine_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
}

// What these processes really hold.
void add_measured(const std::vector<std::int64_t>& pids, wire::MemoryResult& result) {
  constexpr std::size_t kEverybody = 100'000;
  for (const auto& holder : engine::memory::read_machine_memory("/proc", {}, kEverybody).holders) {
    if (std::find(pids.begin(), pids.end(), holder.pid) == pids.end()) continue;
    result.foreign_bytes += holder.resident_bytes;
    result.holders.push_back({holder.pid, holder.uid, std::to_string(holder.uid), holder.command,
                              holder.resident_bytes});
  }
}

wire::MemoryResult memory_of(const nlohmann::json& json) {
  wire::MemoryResult result;
  result.total_bytes = json.value("total_bytes", machine_bytes());
  result.foreign_bytes = json.value("foreign_bytes", std::uint64_t{0});
  result.available_bytes = json.value("available_bytes", result.total_bytes - result.foreign_bytes);
  for (const auto& holder : json.value("holders", nlohmann::json::array()))
    result.holders.push_back({holder.value("pid", std::int64_t{1}), holder.value("uid", 0u),
                              holder.value("user", "root"), holder.value("command", "other"),
                              holder.value("bytes", std::uint64_t{0})});
  if (json.contains("pids")) add_measured(json["pids"].get<std::vector<std::int64_t>>(), result);
  return result;
}

}  // namespace

void FakeProbe::request(const wire::Frame& frame) {
  const std::uint32_t id = frame.id;
  if (frame.method == "devices")
    return outlet_.answer(id, wire::DevicesResult{{{"cpu", "cpu", machine_bytes()}}});
  if (frame.method == "memory") {
    wire::decode<wire::MemoryParams>(frame.params);
    return memory(id);
  }
  if (frame.method == "inspect") return inspect(frame);
  const FakeModel model = read_fake_model(wire::decode<wire::FolderTarget>(frame.params).path);
  if (frame.method == "tokenize") {
    const auto input = wire::decode<wire::TokenizeInput>(frame.params);
    return outlet_.answer(id, wire::TokensResult{fake_tokenize(input.text)});
  }
  if (frame.method == "detokenize") {
    const auto input = wire::decode<wire::DetokenizeInput>(frame.params);
    return outlet_.answer(id, wire::TextResult{fake_detokenize(input.tokens, model.vocab_size)});
  }
  if (frame.method == "render")
    return outlet_.answer(
        id, wire::TextResult{fake_render(wire::decode<wire::RenderInput>(frame.params))});
  throw Error(Code::unsupported, "no method " + frame.method);
}

void FakeProbe::inspect(const wire::Frame& frame) {
  const auto params = wire::decode<wire::InspectParams>(frame.params);
  const FakeModel model = read_fake_model(params.path);
  if (model.fail == "inspect") throw Error(Code::model_bad, "config.json: made to fail");
  std::optional<wire::AdapterFacts> adapter;
  if (params.adapter_path) {
    const FakeModel found = read_fake_model(*params.adapter_path);
    adapter = {found.identity, found.tensor_bytes};
  }
  const wire::InspectResult result{.identity = model.identity,
                                   .architecture = model.architecture,
                                   .dtype = params.dtype == "auto" ? model.dtype : params.dtype,
                                   .parameters = model.parameters,
                                   .vocab_size = model.vocab_size,
                                   .context_tokens = model.context_tokens,
                                   .tensor_bytes = model.tensor_bytes,
                                   .kv_bytes_per_token = model.kv_bytes_per_token,
                                   .workspace_bytes = model.workspace_bytes,
                                   .image_bytes = model.image_bytes(),
                                   .adapter = adapter};
  outlet_.later(model.inspect_ms, [this, id = frame.id, result] { outlet_.answer(id, result); });
}

void FakeProbe::memory(std::uint32_t id) {
  nlohmann::json json = nlohmann::json::object();
  if (const char* path = std::getenv("GPUMODEL_FAKE_MEMORY"); path != nullptr) {
    std::ifstream in(path);
    json = nlohmann::json::parse(in, nullptr, false);
    if (!json.is_object()) throw Error(Code::internal, "$GPUMODEL_FAKE_MEMORY is no JSON object");
  }
  const wire::MemoryResult result = memory_of(json);
  outlet_.later(milliseconds(json.value("ms", 0)),
                [this, id, result] { outlet_.answer(id, result); });
}

}  // namespace gpumodel::test
