#include "engine/model/adapter_layout.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/model/adapter.hpp"
#include "engine/model/architecture.hpp"
#include "tiny_model.hpp"

namespace io = gpumodel::engine::io;
namespace memory = gpumodel::engine::memory;
namespace model = gpumodel::engine::model;
using gpumodel::engine::BadModel;
using gpumodel::test::contains;
using gpumodel::test::message_of;
using gpumodel::test::safetensors_file;
using gpumodel::test::TemporaryFolder;
using gpumodel::test::TestTensor;
using gpumodel::test::TinyModel;

namespace {

// Over a TinyModel, whose hidden size is 12, with q of 12, k and v of 4 and 10 in between.
class TinyAdapter {
 public:
  explicit TinyAdapter(int rank = 2) : rank_(rank) {}

  TinyAdapter& add(const std::string& module, std::int64_t outputs, std::int64_t inputs,
                   const std::string& dtype = "F32") {
    tensor("base_model.model." + module + ".lora_A.weight", {rank_, inputs}, dtype);
    tensor("base_model.model." + module + ".lora_B.weight", {outputs, rank_}, dtype);
    return *this;
  }
  TinyAdapter& tensor(const std::string& name, const std::vector<std::int64_t>& shape,
                      const std::string& dtype = "F32") {
    std::size_t elements = 1;
    for (const std::int64_t size : shape) elements *= static_cast<std::size_t>(size);
    tensors.push_back({name, dtype, shape,
                       std::string(elements * (dtype == "F32"   ? 4
                                               : dtype == "I64" ? 8
                                                                : 2),
                                   '\0')});
    return *this;
  }
  TinyAdapter& setting(const std::string& key, const nlohmann::json& value) {
    config[key] = value;
    return *this;
  }
  const TinyAdapter& write(const TemporaryFolder& folder) const {
    folder.write("adapter_config.json", config.dump());
    folder.write("adapter_model.safetensors", safetensors_file(tensors));
    return *this;
  }

  nlohmann::json config{{"peft_type", "LORA"}, {"r", 2}, {"lora_alpha", 6}};
  std::vector<TestTensor> tensors;

 private:
  std::int64_t rank_;
};

io::ModelConfig tiny_base(const std::string& architecture = "LlamaForCausalLM") {
  return model::parse_config(TinyModel({.architecture = architecture}).config());
}

model::AdapterLayout layout_of(const TinyAdapter& adapter,
                               const std::string& architecture = "LlamaForCausalLM") {
  const TemporaryFolder folder;
  adapter.write(folder);
  return model::open_adapter(folder.path(), tiny_base(architecture)).layout;
}

std::string refusal_of(const TinyAdapter& adapter) {
  return message_of<BadModel>([&] { layout_of(adapter); });
}

const std::string kQ = "model.layers.0.self_attn.q_proj";
const std::string kDown = "model.layers.1.mlp.down_proj";

}  // namespace

BOOST_AUTO_TEST_SUITE(adapter_layout)

BOOST_AUTO_TEST_CASE(modules_of_one_product_are_stacked_and_keep_their_places) {
  const auto layout = layout_of(TinyAdapter()
                                    .add(kQ, 12, 12)
                                    .add("model.layers.0.self_attn.v_proj", 4, 12)
                                    .add("model.layers.0.mlp.up_proj", 10, 12, "BF16")
                                    .add(kDown, 12, 10));
  BOOST_REQUIRE(layout.layers.size() == 2u);
  const model::LoraTermSlots& qkv = layout.layers[0].qkv;
  BOOST_REQUIRE(qkv.parts.size() == 2u);
  BOOST_TEST(qkv.a.rows == 4);
  BOOST_TEST(qkv.a.columns == 12);
  BOOST_TEST(qkv.parts[0].first_rank == 0);
  BOOST_TEST(qkv.parts[0].first_column == 0);
  BOOST_TEST(qkv.parts[1].first_rank == 2);
  BOOST_TEST(qkv.parts[1].first_column == 16);
  BOOST_TEST(qkv.parts[1].b.rows == 4);
  BOOST_TEST(qkv.parts[0].scale == 3.0f);
  const model::LoraTermSlots& gate_up = layout.layers[0].gate_up;
  BOOST_REQUIRE(gate_up.parts.size() == 1u);
  BOOST_TEST(gate_up.parts[0].first_column == 10);
  BOOST_TEST((gate_up.a.format == model::MatrixFormat::bf16));
  BOOST_TEST(layout.layers[0].down.parts.empty());
  BOOST_TEST(layout.layers[1].down.parts.size() == 1u);
  BOOST_TEST(layout.shrunk.columns == 4);
  BOOST_TEST(layout.source_bytes == 4u * (24 + 24 + 24 + 8 + 20 + 24) + 2u * (24 + 20));
}

BOOST_AUTO_TEST_CASE(fused_modules_are_one_part) {
  const auto layout = layout_of(TinyAdapter()
                                    .add("model.layers.1.self_attn.qkv_proj", 20, 12)
                                    .add("model.layers.1.mlp.gate_up_proj", 20, 12),
                                "Phi3ForCausalLM");
  BOOST_REQUIRE(layout.layers[1].qkv.parts.size() == 1u);
  BOOST_TEST(layout.layers[1].qkv.parts[0].b.rows == 20);
  BOOST_TEST(layout.layers[1].gate_up.parts[0].b.rows == 20);
}

BOOST_AUTO_TEST_CASE(the_first_pattern_that_matches_decides) {
  TinyAdapter adapter(5);
  adapter.add(kQ, 12, 12).setting("use_rslora", false);
  // The order is the file's, which nlohmann's objects would sort.
  adapter.config.erase("rank_pattern");
  const TemporaryFolder folder;
  adapter.write(folder);
  folder.write("adapter_config.json",
               R"({"peft_type": "LORA", "r": 2, "lora_alpha": 6,
                   "rank_pattern": {"z_proj": 9, "q_proj": 5, "layers.0.self_attn.q_proj": 7},
                   "alpha_pattern": {".*\\.self_attn\\..*": 10, "q_proj": 1}})");
  const auto layout = model::open_adapter(folder.path(), tiny_base()).layout;
  BOOST_TEST(layout.layers[0].qkv.parts.at(0).b.columns == 5);
  BOOST_TEST(layout.layers[0].qkv.parts.at(0).scale == 2.0f);
}

BOOST_AUTO_TEST_CASE(what_does_not_belong_to_the_base_is_refused_by_name) {
  const auto one = [] { return TinyAdapter().add(kQ, 12, 12); };
  const auto refused = [](const TinyAdapter& adapter, const std::vector<std::string>& words) {
    const std::string message = refusal_of(adapter);
    for (const std::string& word : words)
      BOOST_TEST(contains(message, word), "\"" << word << "\" in \"" << message << "\"");
    BOOST_TEST(contains(message, "adapter_model.safetensors: "), message);
  };
  refused(TinyAdapter(), {"holds no tensors"});
  refused(TinyAdapter().add(kQ, 13, 12), {kQ + ".lora_B.weight", "[13, 2]", "[12, 2]"});
  refused(TinyAdapter().add(kQ, 12, 11), {kQ + ".lora_A.weight", "another model"});
  refused(TinyAdapter(3).add(kQ, 12, 12), {"[3, 12]", "[2, 12]"});
  refused(TinyAdapter().add(kQ, 12, 12, "I64"), {"I64", "F32, F16 or BF16"});
  refused(one().add("model.layers.2.self_attn.q_proj", 12, 12), {"layers.2", "another model"});
  refused(one().add("model.layers.0.self_attn.qkv_proj", 20, 12), {"qkv_proj"});
  refused(one().add("lm_head", 17, 12), {"lm_head", "not supported"});
  refused(one().tensor("base_model.model.model.embed_tokens.lora_embedding_A", {2, 17}),
          {"embedding", "not supported"});
  refused(one().tensor("base_model.model." + kQ + ".lora_magnitude_vector", {12}), {"DoRA"});
  refused(one().tensor("base_model.model." + kQ + ".lora_B.bias", {12}), {"bias"});
  refused(one().tensor("base_model.model." + kDown + ".lora_A.weight", {2, 10}),
          {kDown + ".lora_B.weight", "is missing"});
  refused(one().tensor("hostile\\nname", {1}), {"hostile"});
}

BOOST_AUTO_TEST_CASE(patterns_that_cannot_be_run_are_refused) {
  for (const char* key : {"rank_pattern", "alpha_pattern"}) {
    const std::string message = refusal_of(TinyAdapter().add(kQ, 12, 12).setting(key, {{"(", 2}}));
    BOOST_TEST(contains(message, "adapter_config.json: "), message);
    BOOST_TEST(contains(message, key), message);
  }
}

BOOST_AUTO_TEST_CASE(folders_that_are_no_adapters_say_what_they_lack) {
  const TemporaryFolder folder;
  const auto refusal = [&] {
    return message_of<BadModel>([&] { model::open_adapter(folder.path(), tiny_base()); });
  };
  BOOST_TEST(contains(refusal(), "adapter_config.json"));
  folder.write("adapter_config.json", R"({"peft_type": "LORA"})");
  BOOST_TEST(contains(refusal(), "adapter_model.safetensors: does not exist"));
  folder.write("adapter_model.bin", "pickle");
  BOOST_TEST(contains(refusal(), "save the adapter as safetensors"));
  folder.write("adapter_model.safetensors", "short");
  BOOST_TEST(contains(refusal(), "adapter_model.safetensors"));
  BOOST_TEST(contains(
      message_of<BadModel>([] { model::open_adapter("/nonexistent/adapter", tiny_base()); }),
      "adapter folder: does not exist"));
}

BOOST_AUTO_TEST_CASE(values_that_are_no_numbers_fail_the_load_and_leave_nothing) {
  const TemporaryFolder folder;
  TinyAdapter adapter;
  adapter.add(kQ, 12, 12);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(adapter.tensors[1].data.data() + 8, &nan, sizeof nan);
  adapter.write(folder);
  const model::AdapterSource source = model::open_adapter(folder.path(), tiny_base());
  memory::Budget budget(std::uint64_t{1} << 20);
  const std::string message = message_of<BadModel>([&] {
    model::load_adapter(source, {budget, "adapter"}, {});
  });
  BOOST_TEST(contains(message, kQ + ".lora_B.weight"), message);
  BOOST_TEST(budget.used_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(its_identity_is_that_of_its_two_files) {
  const TemporaryFolder folder, other;
  const TinyAdapter adapter = TinyAdapter().add(kQ, 12, 12).write(folder);
  adapter.write(other);
  const auto identity = [](const TemporaryFolder& of) {
    return model::open_adapter(of.path(), tiny_base()).identity;
  };
  const std::string first = identity(folder);
  BOOST_TEST(first == identity(folder));
  BOOST_TEST(first != identity(other));
  folder.write("unrelated", "x");
  BOOST_TEST(first == identity(folder));
  folder.write("adapter_config.json", adapter.config.dump() + " ");
  BOOST_TEST(first != identity(folder));
}

BOOST_AUTO_TEST_SUITE_END()
