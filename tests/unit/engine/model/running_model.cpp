#include "unit/engine/model/running_model.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "support/testdata.hpp"

namespace gpumodel::test {
namespace {

constexpr std::uint64_t kBudgetBytes = std::uint64_t{2} << 30;

std::uint64_t kv_bytes(const model::ModelSource& source, std::int32_t pages) {
  return static_cast<std::uint64_t>(
      kv::KvLayout::of(source.config, source.layout.types.dtype).page_bytes() * pages);
}

Rows read_rows(const std::string& file, const io::TensorMap& tensors, const std::string& name) {
  const io::TensorEntry& entry = tensors.at(name);
  BOOST_REQUIRE(entry.dtype == "F32");
  Rows rows;
  const auto columns = static_cast<std::size_t>(entry.shape.at(1));
  for (std::size_t row = 0; row < static_cast<std::size_t>(entry.shape.at(0)); ++row) {
    rows.emplace_back(columns);
    std::memcpy(rows.back().data(), file.data() + entry.offset + row * columns * sizeof(float),
                columns * sizeof(float));
  }
  return rows;
}

}  // namespace

RunningModel::RunningModel(const std::string& folder, std::string_view dtype,
                           device::Backend& backend, std::int32_t pages)
    : source_(model::open_source(folder, dtype)),
      budget_(kBudgetBytes),
      loaded_(model::load_weights(source_.tensors, source_.layout, {budget_, "weights"},
                                  {.threads = 2, .stop = {}, .progress = {}, .gives_way = {}})),
      kv_(budget_, "kv", kv_bytes(source_, pages)),
      workspace_(budget_, "workspace", source_.needs.workspace_bytes),
      pool_(pages) {
  const kv::KvStore store(kv::KvLayout::of(source_.config, loaded_.weights.dtype), kv_.data());
  decoder_ = std::make_unique<model::Decoder>(source_.config, loaded_.weights, backend, store,
                                              std::span(workspace_.data(), workspace_.bytes()));
}

Rows RunningModel::log_probabilities(const float* logits, std::size_t rows) const {
  const auto vocab = static_cast<std::size_t>(source_.config.vocab_size);
  Rows result;
  for (std::size_t row = 0; row < rows; ++row) {
    std::vector<float> values(logits + row * vocab, logits + (row + 1) * vocab);
    const float best = *std::max_element(values.begin(), values.end());
    double total = 0;
    for (const float value : values) total += std::exp(double{value} - double{best});
    for (float& value : values)
      value = static_cast<float>(double{value} - double{best} - std::log(total));
    result.push_back(std::move(values));
  }
  return result;
}

Rows RunningModel::run(Sequence& sequence, std::span<const std::int32_t> tokens,
                       std::size_t chunk) {
  Rows result;
  while (!tokens.empty()) {
    const auto now = tokens.first(std::min(chunk, tokens.size()));
    const auto count = static_cast<std::int32_t>(now.size());
    BOOST_REQUIRE(sequence.pages.reserve(sequence.position + count));
    const model::SequenceStep step{now, sequence.position, sequence.pages.pages(), count,
                                   sequence.adapter};
    const float* logits = decoder_->step({{&step, 1}});
    for (auto& row : log_probabilities(logits, now.size())) result.push_back(std::move(row));
    sequence.position += count;
    tokens = tokens.subspan(now.size());
  }
  return result;
}

Rows RunningModel::run_together(std::span<Sequence> sequences, std::span<const Tokens> tokens) {
  std::vector<model::SequenceStep> steps;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    Sequence& sequence = sequences[i];
    const auto count = static_cast<std::int32_t>(tokens[i].size());
    BOOST_REQUIRE(sequence.pages.reserve(sequence.position + count));
    steps.push_back({tokens[i], sequence.position, sequence.pages.pages(), 1, sequence.adapter});
    sequence.position += count;
  }
  return log_probabilities(decoder_->step({steps}), steps.size());
}

Reference::Reference(const std::string& folder) {
  const auto json = nlohmann::json::parse(read_file(folder + "/reference.json"));
  const std::string file = read_file(folder + "/reference.safetensors");
  dtype = json.at("dtype").get<std::string>();
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  const io::TensorMap tensors = io::parse_safetensors_header(
      std::string_view(file).substr(8, header_bytes), file.size(), "reference.safetensors");
  for (std::size_t i = 0; i < json.at("prompts").size(); ++i) {
    const auto& prompt = json["prompts"][i];
    const std::string name = "prompt." + std::to_string(i);
    prompts.push_back({prompt.at("tokens").get<Tokens>(), prompt.at("continuation").get<Tokens>(),
                       prompt.at("margins").get<std::vector<float>>(),
                       read_rows(file, tensors, name + ".logprobs"),
                       read_rows(file, tensors, name + ".step_logprobs")});
  }
}

std::vector<std::unique_ptr<device::Backend>> backends() {
  std::vector<std::unique_ptr<device::Backend>> all;
  for (const std::string& kernels : device::cpu_kernels())
    all.push_back(device::make_cpu_backend(2, kernels));
#ifdef GPUMODEL_WITH_ATEN
  // One thread: OpenMP threads that wait for each other spin, on a busy machine for very long.
  all.push_back(device::make_aten_backend(1));
#endif
  return all;
}

float largest_difference(const Rows& a, const Rows& b) {
  BOOST_REQUIRE(a.size() == b.size());
  float largest = 0;
  for (std::size_t row = 0; row < a.size(); ++row) {
    BOOST_REQUIRE(a[row].size() == b[row].size());
    for (std::size_t i = 0; i < a[row].size(); ++i) {
      const float difference = std::abs(a[row][i] - b[row][i]);
      if (!(difference <= largest)) largest = difference;  // NaN is kept
    }
  }
  return largest;
}

std::int32_t best_token(const std::vector<float>& row) {
  return static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

}  // namespace gpumodel::test
