// config.json files as transformers understands them: defaults of absent keys, both spellings, what
// each kind of rope and each pattern of layers comes to.
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/io/hf_config.hpp"
#include "engine/model/architecture.hpp"
#include "support/process.hpp"
#include "support/testdata.hpp"

namespace io = gpumodel::engine::io;
namespace model = gpumodel::engine::model;
using gpumodel::test::has_oracle_python;
using nlohmann::json;

namespace {

// Beside these, the shape below.
constexpr const char* kCases = R"json([
  {"model_type": "llama"},
  {"model_type": "llama", "num_key_value_heads": 2, "rope_theta": 500000.0, "attention_bias": true,
   "mlp_bias": true, "eos_token_id": [3, 4], "rms_norm_eps": 1e-5},
  {"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 4.0}},
  {"model_type": "llama", "rope_scaling": {"type": "dynamic", "factor": 2.0}, "rope_theta": 777.0},
  {"model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
   "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}, "rope_theta": 500000.0,
   "max_position_embeddings": 131072},
  {"model_type": "llama", "rope_parameters": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 2.0,
   "high_freq_factor": 3.0, "original_max_position_embeddings": 64, "rope_theta": 100.0}, "head_dim": 48},
  {"model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
   "high_freq_factor": 4}, "max_position_embeddings": 512},
  {"model_type": "llama", "rope_scaling": {"rope_type": "yarn", "factor": 4.0}, "max_position_embeddings": 256},
  {"model_type": "llama", "rope_scaling": {"rope_type": "yarn", "factor": 4.0,
   "original_max_position_embeddings": 99}, "original_max_position_embeddings": 77,
   "max_position_embeddings": 512},
  {"model_type": "llama", "rope_scaling": {"rope_type": "yarn", "factor": 8.0, "truncate": false, "mscale": 0.7,
   "mscale_all_dim": 0.3, "original_max_position_embeddings": 128}, "max_position_embeddings": 1024},
  {"model_type": "llama", "rope_scaling": {"rope_type": "yarn", "factor": null, "beta_fast": 0,
   "beta_slow": 3, "original_max_position_embeddings": 64}, "max_position_embeddings": 512},
  {"model_type": "llama", "rope_scaling": {"type": "linear", "factor": 4.0, "rope_theta": 33},
   "rope_parameters": {"rope_type": "default", "rope_theta": 44}, "rope_theta": 500000.0},
  {"model_type": "llama", "rope_scaling": {}, "rope_parameters": {"rope_type": "default", "rope_theta": 44}},
  {"model_type": "llama", "rope_scaling": {"rope_type": "longrope", "factor": 4.0,
   "short_factor": [1, 1.5, 2, 2, 2, 3, 3, 4], "long_factor": [5, 5, 5, 5, 5, 5, 5, 5],
   "original_max_position_embeddings": 128}, "max_position_embeddings": 128},
  {"model_type": "qwen2", "num_attention_heads": 32},
  {"model_type": "qwen2", "num_key_value_heads": null, "num_attention_heads": 4},
  {"model_type": "qwen2", "num_key_value_heads": 2, "use_sliding_window": true, "sliding_window": 7,
   "max_window_layers": 2},
  {"model_type": "qwen2", "num_key_value_heads": 2, "use_sliding_window": true, "sliding_window": null,
   "max_window_layers": 2},
  {"model_type": "qwen2", "num_key_value_heads": 2, "use_sliding_window": true, "max_window_layers": 1},
  {"model_type": "qwen2", "num_key_value_heads": 2, "use_sliding_window": true},
  {"model_type": "qwen2", "num_key_value_heads": 2, "sliding_window": 7, "max_window_layers": 0},
  {"model_type": "qwen2", "num_key_value_heads": 2, "rope_scaling": {"type": "yarn", "factor": 4.0,
   "original_max_position_embeddings": 32768}, "rope_theta": 1000000.0, "max_position_embeddings": 131072},
  {"model_type": "qwen3", "num_attention_heads": 32},
  {"model_type": "qwen3", "num_key_value_heads": 1, "head_dim": 20, "attention_bias": true},
  {"model_type": "qwen3", "num_key_value_heads": 1, "use_sliding_window": true, "sliding_window": 5,
   "layer_types": ["sliding_attention", "full_attention", "full_attention", "sliding_attention",
   "full_attention"]},
  {"model_type": "mistral", "num_attention_heads": 8},
  {"model_type": "mistral", "num_key_value_heads": 2, "sliding_window": null, "rope_theta": 1000000.0},
  {"model_type": "mistral", "num_key_value_heads": 4, "sliding_window": 3, "head_dim": 24},
  {"model_type": "smollm3"},
  {"model_type": "smollm3", "no_rope_layer_interval": 2, "use_sliding_window": true, "sliding_window": 6,
   "attention_bias": true, "mlp_bias": true, "tie_word_embeddings": false},
  {"model_type": "smollm3", "no_rope_layers": [0, 1, 1, 0, 1, 0], "use_sliding_window": false,
   "sliding_window": 6, "rope_theta": 5000.0},
  {"model_type": "smollm3", "num_key_value_heads": null, "use_sliding_window": true, "sliding_window": 6,
   "layer_types": ["sliding_attention", "full_attention", "full_attention", "sliding_attention",
   "full_attention"]},
  {"model_type": "gemma2"},
  {"model_type": "gemma2", "head_dim": 16, "query_pre_attn_scalar": 144, "sliding_window": 8,
   "tie_word_embeddings": false, "attention_bias": true, "rope_theta": 1234.0},
  {"model_type": "gemma2", "num_key_value_heads": 1, "layer_types": ["full_attention", "sliding_attention",
   "full_attention", "sliding_attention", "full_attention"]},
  {"model_type": "gemma3_text", "num_key_value_heads": 1, "num_hidden_layers": 7},
  {"model_type": "gemma3_text", "num_key_value_heads": 1, "sliding_window_pattern": 2, "sliding_window": 12,
   "rope_theta": 100000.0, "rope_local_base_freq": 500.0,
   "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
  {"model_type": "gemma3_text", "num_key_value_heads": 1, "head_dim": 32, "sliding_window_pattern": 3,
   "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 99.0}}},
  {"model_type": "phi3"},
  {"model_type": "phi3", "sliding_window": 2047, "num_key_value_heads": 2, "partial_rotary_factor": 0.5},
  {"model_type": "phi3", "rope_scaling": {"type": "longrope", "short_factor": [1, 1.5, 2, 2, 2, 3, 3, 4],
   "long_factor": [5, 5, 5, 5, 5, 5, 5, 5]}, "max_position_embeddings": 131072,
   "original_max_position_embeddings": 4096},
  {"model_type": "phi3", "rope_parameters": {"rope_type": "longrope", "short_factor": [1, 1.5, 2, 2, 2, 3],
   "long_factor": [5, 5, 5, 5, 5, 5], "partial_rotary_factor": 0.75}, "max_position_embeddings": 131072}
])json";

// What transformers builds no model of.
constexpr const char* kRefused = R"json([
  {"model_type": "llama", "rope_scaling": {"type": "linear"}},
  {"model_type": "llama", "rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
  {"model_type": "llama", "rope_scaling": {"type": "su", "factor": 8.0}},
  {"model_type": "llama", "hidden_act": "no such function"},
  {"model_type": "llama", "num_attention_heads": 5},
  {"model_type": "smollm3", "no_rope_layers": [1, 0, 1]},
  {"model_type": "smollm3", "no_rope_layer_interval": 0},
  {"model_type": "phi3", "rope_scaling": {"type": "linear", "factor": 2.0}},
  {"model_type": "phi3", "rope_scaling": {"type": "longrope", "short_factor": [1, 2], "long_factor": [1, 2]}}
])json";

std::vector<json> with_shape(const char* cases) {
  std::vector<json> all;
  for (const json& own : json::parse(cases)) {
    json config{{"hidden_size", 64},      {"num_hidden_layers", 5}, {"num_attention_heads", 4},
                {"intermediate_size", 8}, {"vocab_size", 20},       {"pad_token_id", nullptr}};
    config.update(own);
    all.push_back(config);
  }
  return all;
}

json ask_transformers(const std::vector<json>& configs) {
  const gpumodel::test::Finished finished =
      gpumodel::test::run({gpumodel::test::oracle_python(), "-B",
                           gpumodel::test::source_path("tests/support/config_oracle.py")},
                          json(configs).dump());
  BOOST_REQUIRE_MESSAGE(finished.exit_code == 0, finished.err);
  return json::parse(finished.out);
}

void check_near(const char* what, double got, double expected) {
  BOOST_TEST(std::abs(got - expected) <= 2e-6 * std::abs(expected),
             what << " is " << got << ", not " << expected);
}

void check_rope(const io::RopeConfig& got, const json& expected) {
  check_near("magnitude", double{got.magnitude}, expected.at("magnitude").get<double>());
  const auto frequencies = expected.at("frequencies").get<std::vector<double>>();
  BOOST_REQUIRE(got.frequencies.size() == frequencies.size());
  for (std::size_t i = 0; i < frequencies.size(); ++i)
    check_near("frequency", double{got.frequencies[i]}, frequencies[i]);
}

void check_layers(const io::ModelConfig& got, const json& expected) {
  std::vector<std::int32_t> windows;
  std::vector<bool> roped;
  for (const io::LayerConfig& layer : got.by_layer) {
    windows.push_back(layer.window);
    roped.push_back(layer.rope != io::LayerConfig::kNoRope);
    // Where there are two, those with a window have the second.
    if (got.ropes.size() == 2) BOOST_TEST(layer.rope == (layer.window > 0 ? 1 : 0));
  }
  BOOST_TEST(windows == expected.at("windows").get<std::vector<std::int32_t>>(),
             boost::test_tools::per_element());
  BOOST_TEST(roped == expected.at("roped").get<std::vector<bool>>(),
             boost::test_tools::per_element());
}

void check(const io::ModelConfig& got, const json& expected) {
  BOOST_TEST(got.kv_heads == expected.at("kv_heads").get<std::int32_t>());
  BOOST_TEST(got.head_dim == expected.at("head_dim").get<std::int32_t>());
  check_near("scale", double{got.attention_scale}, expected.at("scale").get<double>());
  check_near("eps", double{got.rms_norm_eps}, expected.at("eps").get<double>());
  BOOST_TEST(got.tied_embeddings == expected.at("tied").get<bool>());
  BOOST_TEST(got.qkv_bias == expected.at("q_bias").get<bool>());
  BOOST_TEST(got.o_bias == expected.at("o_bias").get<bool>());
  BOOST_TEST(got.mlp_bias == expected.at("mlp_bias").get<bool>());
  BOOST_TEST(got.eos_token_ids == expected.at("eos").get<std::vector<std::int32_t>>(),
             boost::test_tools::per_element());
  check_layers(got, expected);
  BOOST_REQUIRE(got.ropes.size() == expected.at("ropes").size());
  for (std::size_t i = 0; i < got.ropes.size(); ++i) check_rope(got.ropes[i], expected["ropes"][i]);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(parity)

BOOST_AUTO_TEST_CASE(configurations_mean_what_transformers_reads,
                     *boost::unit_test::precondition(has_oracle_python())) {
  const std::vector<json> configs = with_shape(kCases);
  const json expected = ask_transformers(configs);
  for (std::size_t i = 0; i < configs.size(); ++i) {
    BOOST_TEST_CONTEXT(configs[i].dump()) {
      BOOST_REQUIRE_MESSAGE(!expected[i].contains("error"), expected[i].dump());
      BOOST_REQUIRE_NO_THROW(check(model::parse_config(configs[i].dump()), expected[i]));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_transformers_refuses_is_refused,
                     *boost::unit_test::precondition(has_oracle_python())) {
  const std::vector<json> configs = with_shape(kRefused);
  const json expected = ask_transformers(configs);
  for (std::size_t i = 0; i < configs.size(); ++i) {
    BOOST_TEST(expected[i].contains("error"), configs[i].dump());
    BOOST_CHECK_THROW(model::parse_config(configs[i].dump()), gpumodel::engine::BadModel);
  }
}

BOOST_AUTO_TEST_SUITE_END()
