#include "engine/model/adapter_layout.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <span>
#include <string>

#include "engine/io/printable.hpp"
#include "engine/model/architecture.hpp"
#include "engine/model/layout_builder.hpp"
#include "engine/model/needs.hpp"
#include "engine/text/regex.hpp"

namespace gpumodel::engine::model {
namespace {

constexpr const char* kPrefix = "base_model.model.";
constexpr const char* kA = ".lora_A.weight";
constexpr const char* kB = ".lora_B.weight";

// One of PEFT's expressions for module paths, with the number of its entry.
class PathPatterns {
 public:
  PathPatterns(const std::vector<io::ModuleValue>& values, const char* key) : values_(values) {
    for (const io::ModuleValue& value : values) {
      try {
        patterns_.push_back(text::Regex::compile("^(?:.*\\.)?(?:" + value.pattern + ")$"));
      } catch (const text::BadPattern& bad) {
        throw BadModel(
            io::kAdapterConfigName,
            std::string(key) + " of " + io::printable(value.pattern) + ": " + bad.what());
      }
    }
    key_ = key;
  }

  double value(const std::string& path, double otherwise) {
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      text::MatchRange range;
      try {
        if (patterns_[i].find(path, 0, true, state_, range)) return values_[i].value;
      } catch (const text::RegexGaveUp& gave_up) {
        throw BadModel(
            io::kAdapterConfigName,
            std::string(key_) + " of " + io::printable(values_[i].pattern) + ": " + gave_up.what());
      }
    }
    return otherwise;
  }

 private:
  const std::vector<io::ModuleValue>& values_;
  std::vector<text::Regex> patterns_;
  text::MatchState state_;
  const char* key_;
};

// A linear module of the base: its place among the columns of a product, and its inputs.
struct Module {
  std::string path;
  std::int64_t outputs = 0;
  std::int64_t first_column = 0;
};

// What PEFT calls its other tensors, and why they are refused.
std::string reason_against(const std::string& name) {
  struct Known {
    const char* part;
    const char* what;
  };
  constexpr Known kKnown[] = {
      {"lora_magnitude_vector", "is of DoRA, which is not supported"},
      {"lora_embedding", "adapts the embedding, which is not supported"},
      {"lora_B.bias", "is a bias of lora_B, which is not supported"},
      {"lm_head", "adapts lm_head, which is not supported; only modules of the layers are"},
      {"modules_to_save", "is a retrained module, which is not supported"},
      {".ia3_", "is of IA3, which is not supported"},
      {".hada_", "is of LoHa, which is not supported"},
      {"lora_E", "is of AdaLoRA, which is not supported"},
      {"prompt_embeddings", "is of prompt or prefix tuning, which is not supported"},
  };
  for (const Known& known : kKnown)
    if (name.find(known.part) != std::string::npos) return known.what;
  return "is of no linear module of the base's layers; the adapter is of another model";
}

class AdapterPlanner {
 public:
  AdapterPlanner(const io::AdapterConfig& adapter, const io::TensorIndex& tensors,
                 const io::ModelConfig& base)
      : adapter_(adapter),
        tensors_(tensors),
        base_(base),
        ranks_(adapter.ranks, "rank_pattern"),
        alphas_(adapter.alphas, "alpha_pattern"),
        builder_(tensors) {}

  AdapterLayout plan() {
    const TensorNames& names = architecture_of(base_).names;
    const std::int64_t hidden = base_.hidden_size;
    const std::int64_t inner = base_.intermediate_size;
    const std::int64_t q = std::int64_t{base_.heads} * base_.head_dim;
    const std::int64_t kv = std::int64_t{base_.kv_heads} * base_.head_dim;
    const std::array qkv_columns{q, kv, kv};
    const std::array gate_up_columns{inner, inner};
    const std::array hidden_columns{hidden};
    AdapterLayout layout;
    for (std::int32_t layer = 0; layer < base_.layers; ++layer) {
      LayerLoraSlots slots;
      slots.qkv = term(modules(names.qkv, qkv_columns, layer), hidden);
      slots.o = term(modules(std::array{names.o}, hidden_columns, layer), q);
      slots.gate_up = term(modules(names.gate_up, gate_up_columns, layer), hidden);
      slots.down = term(modules(std::array{names.down}, hidden_columns, layer), inner);
      layout.layers.push_back(std::move(slots));
    }
    refuse_the_rest();
    layout.shrunk = builder_.scratch(kMaxStepRows, most_ranks_);
    layout.pieces = builder_.take_pieces();
    layout.bytes = builder_.bytes();
    layout.source_bytes = builder_.source_bytes();
    return layout;
  }

 private:
  // Each on its own, or all under the first name.
  static std::vector<Module> modules(std::span<const std::string_view> patterns,
                                     std::span<const std::int64_t> columns, std::int32_t layer) {
    std::vector<Module> all;
    std::int64_t first = 0;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (i == 0 || !patterns[i].empty()) {
        all.push_back({tensor_name(patterns[i], layer, ""), columns[i], first});
      } else {
        all.front().outputs += columns[i];
      }
      first += columns[i];
    }
    return all;
  }

  LoraTermSlots term(const std::vector<Module>& modules, std::int64_t inputs) {
    LoraTermSlots slots;
    std::vector<SlotPart> shrinking;
    std::set<io::DType> dtypes;
    std::int64_t ranks = 0;
    for (const Module& module : modules) {
      const io::TensorEntry* a = find(module, kA);
      const io::TensorEntry* b = find(module, kB);
      if (a == nullptr && b == nullptr) continue;
      const auto rank = static_cast<std::int32_t>(ranks_.value(module.path, adapter_.rank));
      check(module, kA, a, {rank, inputs});
      check(module, kB, b, {module.outputs, rank});
      dtypes.insert(*source_dtype(a->dtype));
      shrinking.push_back({name_of(module, kA), rank});
      const io::DType dtype = *source_dtype(b->dtype);
      const double alpha = alphas_.value(module.path, adapter_.alpha);
      slots.parts.push_back(
          {builder_.matrix({{name_of(module, kB), module.outputs}}, rank, device::format_of(dtype)),
           ranks, module.first_column, static_cast<float>(adapter_.scale(alpha, rank))});
      ranks += rank;
      used_ += 2;
    }
    if (slots.parts.empty()) return slots;
    const io::DType shared = dtypes.size() == 1 ? *dtypes.begin() : io::DType::f32;
    slots.a = builder_.matrix(shrinking, inputs, device::format_of(shared));
    most_ranks_ = std::max(most_ranks_, ranks);
    return slots;
  }

  static std::string name_of(const Module& module, const char* half) {
    return kPrefix + module.path + half;
  }

  const io::TensorEntry* find(const Module& module, const char* half) {
    const auto found = tensors_.tensors.find(name_of(module, half));
    if (found == tensors_.tensors.end()) return nullptr;
    known_.insert(found->first);
    return &found->second;
  }

  void check(const Module& module, const char* half, const io::TensorEntry* tensor,
             const std::vector<std::int64_t>& shape) const {
    if (tensor == nullptr) fail(name_of(module, half), "is missing, and its other half is there");
    if (!source_dtype(tensor->dtype))
      fail(name_of(module, half), "has dtype " + tensor->dtype + ", expected F32, F16 or BF16");
    if (tensor->shape != shape)
      fail(name_of(module, half), "has shape " + io::TensorIndex::shape_text(tensor->shape) +
                                      ", and the base and " + io::kAdapterConfigName + " ask for " +
                                      io::TensorIndex::shape_text(shape) +
                                      "; the adapter is of another model");
  }

  void refuse_the_rest() const {
    for (const auto& [name, tensor] : tensors_.tensors)
      if (!known_.contains(name)) fail(io::printable(name), reason_against(name));
    if (used_ == 0) throw BadModel(tensors_.files.front().name, "holds no tensors");
  }

  [[noreturn]] void fail(const std::string& tensor, const std::string& what) const {
    throw BadModel(tensors_.files.front().name, "tensor " + tensor + " " + what);
  }

  const io::AdapterConfig& adapter_;
  const io::TensorIndex& tensors_;
  const io::ModelConfig& base_;
  PathPatterns ranks_;
  PathPatterns alphas_;
  LayoutBuilder builder_;
  std::set<std::string, std::less<>> known_;
  std::size_t used_ = 0;
  std::int64_t most_ranks_ = 0;
};

}  // namespace

AdapterLayout make_adapter_layout(const io::AdapterConfig& adapter, const io::TensorIndex& tensors,
                                  const io::ModelConfig& base) {
  return AdapterPlanner(adapter, tensors, base).plan();
}

}  // namespace gpumodel::engine::model
