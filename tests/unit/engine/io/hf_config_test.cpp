#include "engine/io/hf_config.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "engine/io/json.hpp"
#include "engine/model/architecture.hpp"
#include "support/model_folder.hpp"
#include "support/testdata.hpp"

namespace io = gpumodel::engine::io;
using gpumodel::engine::BadModel;
using gpumodel::engine::model::parse_config;
using gpumodel::test::contains;
using gpumodel::test::has_testdata;
using gpumodel::test::message_of;
using gpumodel::test::testdata;

namespace {

using Ids = std::vector<std::int32_t>;

nlohmann::json llama() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", 64},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 4},
          {"intermediate_size", 128},
          {"vocab_size", 300}};
}

nlohmann::json qwen2() {
  nlohmann::json config = llama();
  config["architectures"] = {"Qwen2ForCausalLM"};
  config["model_type"] = "qwen2";
  config["num_key_value_heads"] = 2;
  return config;
}

io::ModelConfig with(nlohmann::json config, const nlohmann::json& changes) {
  if (!changes.empty()) config.update(changes);
  return parse_config(config.dump());
}

std::string problem(const nlohmann::json& config, const nlohmann::json& changes) {
  return message_of<BadModel>([&] { with(config, changes); });
}

io::ModelConfig real(const std::string& name) {
  return parse_config(gpumodel::test::read_file(testdata("configs/" + name + ".config.json")));
}

std::string real_problem(const std::string& name) {
  return message_of<BadModel>([&] { real(name); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hf_config)

BOOST_AUTO_TEST_CASE(absent_keys_have_transformers_defaults) {
  const io::ModelConfig config = with(llama(), {});
  BOOST_TEST(config.kv_heads == 4);
  BOOST_TEST(config.head_dim == 16);
  BOOST_TEST(config.max_position == 2048);
  BOOST_TEST(config.rms_norm_eps == 1e-6f);
  BOOST_TEST(!config.tied_embeddings);
  BOOST_TEST(!config.qkv_bias);
  BOOST_TEST(!config.o_bias);
  BOOST_TEST(!config.mlp_bias);
  BOOST_TEST(!config.checkpoint_dtype.has_value());
  BOOST_TEST(config.eos_token_ids == Ids{2}, boost::test_tools::per_element());
  BOOST_TEST(with(qwen2(), {}).eos_token_ids.empty());
}

BOOST_AUTO_TEST_CASE(both_spellings_of_dtype) {
  BOOST_CHECK(with(llama(), {{"torch_dtype", "float16"}}).checkpoint_dtype == io::DType::f16);
  BOOST_CHECK(with(llama(), {{"dtype", "bfloat16"}}).checkpoint_dtype == io::DType::bf16);
  BOOST_CHECK(with(llama(), {{"dtype", "float32"}, {"torch_dtype", "float16"}}).checkpoint_dtype ==
              io::DType::f32);
}

// What transformers reads of a configuration is compared in parity_test.cpp; this is about how far
// the engine follows.
BOOST_AUTO_TEST_CASE(positions_end_where_frequencies_would_change) {
  const auto positions = [](const nlohmann::json& scaling) {
    return with(llama(), {{"max_position_embeddings", 4096}, {"rope_scaling", scaling}})
        .max_position;
  };
  const nlohmann::json ones(8, 1.0);
  BOOST_TEST(positions(nullptr) == 4096);
  BOOST_TEST(positions({{"type", "linear"}, {"factor", 4.0}}) == 4096);
  BOOST_TEST(positions({{"type", "dynamic"}, {"factor", 4.0}}) == 4096);
  BOOST_TEST(positions({{"type", "yarn"}, {"factor", 4.0}}) == 4096);
  BOOST_TEST(
      positions({{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 2048}}) ==
      8192);
  BOOST_TEST(
      positions({{"type", "yarn"}, {"factor", 2.0}, {"original_max_position_embeddings", 1024}}) ==
      4096);
  BOOST_TEST(positions({{"type", "longrope"},
                        {"short_factor", ones},
                        {"long_factor", ones},
                        {"original_max_position_embeddings", 1024}}) == 1024);
}

BOOST_AUTO_TEST_CASE(biases_by_architecture) {
  const io::ModelConfig biased = with(llama(), {{"attention_bias", true}, {"mlp_bias", true}});
  BOOST_TEST(biased.qkv_bias);
  BOOST_TEST(biased.o_bias);
  BOOST_TEST(biased.mlp_bias);
  // Qwen2's are fixed: transformers does not look at the key.
  const io::ModelConfig qwen = with(qwen2(), {{"attention_bias", false}, {"mlp_bias", true}});
  BOOST_TEST(qwen.qkv_bias);
  BOOST_TEST(!qwen.o_bias);
  BOOST_TEST(!qwen.mlp_bias);
}

BOOST_AUTO_TEST_CASE(one_eos_or_several) {
  BOOST_TEST(with(llama(), {{"eos_token_id", 7}}).eos_token_ids == Ids{7},
             boost::test_tools::per_element());
  BOOST_TEST(with(llama(), {{"eos_token_id", {7, 9}}}).eos_token_ids == (Ids{7, 9}),
             boost::test_tools::per_element());
  for (const nlohmann::json& bad : {nlohmann::json(-1), nlohmann::json("x"), nlohmann::json(1.5),
                                    nlohmann::json({1, "x"}), nlohmann::json(4294967296)}) {
    BOOST_TEST(contains(problem(llama(), {{"eos_token_id", bad}}), "eos_token_id"), bad.dump());
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_supported_is_refused_by_name) {
  const auto refused = [](const nlohmann::json& changes, const std::string& part) {
    const std::string message = problem(llama(), changes);
    BOOST_TEST(contains(message, "config.json: "), message);
    BOOST_TEST(contains(message, part), message);
  };
  refused({{"rope_scaling", {{"rope_type", "mrope"}}}}, "rope_scaling.rope_type mrope");
  refused({{"rope_scaling", {{"type", "su"}}}}, "rope_scaling.type su");
  refused({{"rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}}},
          "partial_rotary_factor");
  refused({{"rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}}},
          "full_attention");
  refused({{"quantization_config", {{"quant_method", "gptq"}}}}, "quantization_config \"gptq\"");
  refused({{"hidden_act", "gelu"}}, "hidden_act gelu is not supported");
  refused({{"partial_rotary_factor", 0.25}}, "partial_rotary_factor 0.25");
  refused({{"attn_logit_softcapping", 50.0}}, "attn_logit_softcapping 50");
  refused({{"layer_types", {"full_attention", "sliding_attention"}}},
          "layer_types \"sliding_attention\" of layer 1");
  refused({{"torch_dtype", "float64"}}, "torch_dtype float64");
}

BOOST_AUTO_TEST_CASE(ropes_that_say_too_little_or_nonsense) {
  const auto refused = [](const nlohmann::json& scaling, const std::string& part) {
    const std::string message = problem(llama(), {{"rope_scaling", scaling}});
    BOOST_TEST(contains(message, "config.json: rope_scaling." + part), message);
  };
  const nlohmann::json llama3{{"rope_type", "llama3"},
                              {"factor", 8.0},
                              {"low_freq_factor", 1.0},
                              {"high_freq_factor", 4.0}};
  const nlohmann::json longrope{{"rope_type", "longrope"},
                                {"short_factor", nlohmann::json(8, 1.0)},
                                {"long_factor", nlohmann::json(8, 1.0)}};
  const auto changed = [](nlohmann::json scaling, const char* key, const nlohmann::json& value) {
    scaling[key] = value;
    return scaling;
  };
  BOOST_TEST(problem(llama(), {{"rope_scaling", llama3}}) == "");
  BOOST_TEST(problem(llama(), {{"rope_scaling", longrope}}) == "");
  refused({{"type", "linear"}}, "factor is missing");
  refused({{"type", "linear"}, {"factor", 0.0}}, "factor is 0");
  refused({{"type", "linear"}, {"factor", "2"}}, "factor is \"2\"");
  refused({{"type", 3}}, "type is 3");
  refused(changed(llama3, "low_freq_factor", nullptr), "low_freq_factor is missing");
  refused(changed(llama3, "high_freq_factor", 1.0), "high_freq_factor is not above");
  refused(changed(llama3, "original_max_position_embeddings", -1), "original_max_position");
  refused(changed(longrope, "short_factor", nlohmann::json(7, 1.0)),
          "short_factor is not an array");
  refused(changed(longrope, "long_factor", nlohmann::json(8, "x")), "long_factor has \"x\"");
  refused({{"type", "yarn"}, {"factor", 2.0}, {"attention_factor", -1.0}}, "attention_factor");
  refused({{"type", "yarn"}, {"factor", 2.0}, {"rope_theta", 1.0}}, "rope_theta is not above 1");
  BOOST_TEST(contains(problem(llama(), {{"rope_scaling", 3}}), "rope_scaling is 3"));
  // Phi-3 knows no other scaling than longrope.
  const nlohmann::json phi3{{"architectures", {"Phi3ForCausalLM"}}, {"model_type", "phi3"}};
  nlohmann::json linear = phi3;
  linear["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  BOOST_TEST(contains(problem(llama(), linear), "rope_scaling.type linear is not supported"));
  nlohmann::json odd = phi3;
  odd["partial_rotary_factor"] = 0.2;
  BOOST_TEST(contains(problem(llama(), odd), "rotates 3 dimensions"));
}

BOOST_AUTO_TEST_CASE(caps_are_numbers_or_null) {
  const nlohmann::json gemma2{{"architectures", {"Gemma2ForCausalLM"}},
                              {"model_type", "gemma2"},
                              {"num_key_value_heads", 2}};
  const auto gemma2_with = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json changes = gemma2;
    changes[key] = value;
    return changes;
  };
  const io::ModelConfig usual = with(llama(), gemma2);
  BOOST_TEST(usual.attention_softcap == 50.0f);
  BOOST_TEST(usual.logit_softcap == 30.0f);
  BOOST_TEST(usual.embedding_scale == 8.0f);
  BOOST_TEST(usual.norm_offset == 1.0f);
  BOOST_CHECK(usual.activation == io::Activation::gelu_tanh);
  BOOST_TEST(with(llama(), gemma2_with("attn_logit_softcapping", nullptr)).attention_softcap == 0);
  BOOST_TEST(with(llama(), gemma2_with("final_logit_softcapping", 7.5)).logit_softcap == 7.5f);
  BOOST_TEST(contains(problem(llama(), gemma2_with("final_logit_softcapping", 0)),
                      "final_logit_softcapping is 0, expected null or a number above 0"));
  BOOST_TEST(contains(problem(llama(), gemma2_with("query_pre_attn_scalar", 0)),
                      "query_pre_attn_scalar is 0"));
  BOOST_TEST(contains(problem(llama(), gemma2_with("use_bidirectional_attention", true)),
                      "use_bidirectional_attention true is not supported"));
}

BOOST_AUTO_TEST_CASE(layers_that_contradict_each_other) {
  const auto refused = [](const nlohmann::json& config, const nlohmann::json& changes,
                          const std::string& part) {
    const std::string message = problem(config, changes);
    BOOST_TEST(contains(message, part), message);
  };
  const nlohmann::json sliding{"sliding_attention", "sliding_attention"};
  refused(qwen2(), {{"layer_types", sliding}}, "sliding_window is not set");
  refused(qwen2(), {{"layer_types", {"full_attention"}}}, "not an array of 2 names");
  refused(qwen2(), {{"layer_types", {"full_attention", "chunked_attention"}}},
          "\"chunked_attention\" of layer 1 is not supported");
  refused(qwen2(), {{"use_sliding_window", true}, {"sliding_window", 0}}, "sliding_window is 0");
  const nlohmann::json mistral{{"architectures", {"MistralForCausalLM"}},
                               {"model_type", "mistral"},
                               {"num_key_value_heads", 2}};
  const auto mistral_with = [&](const nlohmann::json& changes) {
    nlohmann::json all = mistral;
    all.update(changes);
    return all;
  };
  BOOST_TEST(problem(llama(), mistral_with({{"layer_types", sliding}})) == "");
  refused(llama(), mistral_with({{"layer_types", sliding}, {"sliding_window", nullptr}}),
          "layer_types");
  nlohmann::json smollm3{{"architectures", {"SmolLM3ForCausalLM"}}, {"model_type", "smollm3"}};
  smollm3["no_rope_layers"] = {1};
  refused(llama(), smollm3, "no_rope_layers is not an array of 2");
  smollm3["no_rope_layers"] = {1, 2};
  refused(llama(), smollm3, "no_rope_layers has 2");
}

BOOST_AUTO_TEST_CASE(embedding_models_are_told_by_their_files) {
  for (const char* name : {"modules.json", "config_sentence_transformers.json"}) {
    const gpumodel::test::TemporaryFolder made;
    made.write("config.json", llama().dump());
    made.write(name, "[]");
    const std::string message = message_of<BadModel>(
        [&] { gpumodel::engine::model::read_config(io::Folder::open(made.path())); });
    BOOST_TEST(message ==
               std::string(name) +
                   ": says that this is an embedding model, which does not generate text");
  }
}

BOOST_AUTO_TEST_CASE(architectures_that_are_none_of_ours) {
  const auto named = [](const std::string& name, const std::string& type) {
    return problem(llama(), {{"architectures", {name}}, {"model_type", type}});
  };
  BOOST_TEST(named("BertModel", "bert") == "config.json: BertModel does not generate text");
  BOOST_TEST(contains(named("LlamaForSequenceClassification", "llama"), "does not generate text"));
  BOOST_TEST(named("GPT2LMHeadModel", "gpt2") ==
             "config.json: GPT2LMHeadModel is not supported; supported are LlamaForCausalLM, "
             "Qwen2ForCausalLM, Qwen3ForCausalLM, MistralForCausalLM, SmolLM3ForCausalLM, "
             "Gemma2ForCausalLM, Gemma3ForCausalLM, Phi3ForCausalLM");
  for (const char* embedding : {"Qwen3Model", "MistralModel", "LlamaBidirectionalModel"}) {
    BOOST_TEST(contains(named(embedding, "llama"), "does not generate text"));
  }
  BOOST_TEST(contains(named("Gemma3ForConditionalGeneration", "gemma3"), "is not supported"));
  BOOST_TEST(contains(named("LlamaForCausalLM", "mistral"), "model_type is mistral"));

  nlohmann::json config = llama();
  config.erase("architectures");
  BOOST_TEST(parse_config(config.dump()).architecture == "LlamaForCausalLM");
  config["model_type"] = "mamba";
  BOOST_TEST(contains(problem(config, {}), "model_type mamba is not supported"));
  config.erase("model_type");
  BOOST_TEST(contains(problem(config, {}), "names neither architectures nor model_type"));
}

BOOST_AUTO_TEST_CASE(numbers_out_of_range_are_refused_before_any_product) {
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads",
                          "intermediate_size", "vocab_size"}) {
    for (const nlohmann::json& bad :
         {nlohmann::json(0), nlohmann::json(-4), nlohmann::json(1.5), nlohmann::json("8"),
          nlohmann::json(true), nlohmann::json(std::uint64_t{1} << 63)}) {
      BOOST_TEST(contains(problem(llama(), {{key, bad}}), key), key << " " << bad.dump());
    }
    nlohmann::json missing = llama();
    missing.erase(key);
    BOOST_TEST(problem(missing, {}) == "config.json: " + std::string(key) + " is missing");
  }
  BOOST_TEST(contains(problem(llama(), {{"num_key_value_heads", 3}}), "not a multiple"));
  BOOST_TEST(contains(problem(llama(), {{"hidden_size", 66}}), "not a multiple"));
  BOOST_TEST(contains(problem(llama(), {{"head_dim", 15}}), "head_dim is 15"));
  BOOST_TEST(contains(problem(llama(), {{"rope_theta", 0.0}}), "rope_theta"));
  BOOST_TEST(contains(problem(llama(), {{"rms_norm_eps", -1.0}}), "rms_norm_eps"));
}

BOOST_AUTO_TEST_CASE(text_that_is_no_configuration) {
  for (const char* text : {"", "[]", "null", "{", "\xff", "{\"a\":1e999}"}) {
    BOOST_TEST(contains(message_of<BadModel>([&] { parse_config(text); }), "config.json: "), text);
  }
  const std::string deep(io::kMaxJsonDepth + 1, '[');
  BOOST_TEST(contains(message_of<BadModel>([&] { parse_config(deep); }), "levels deep"));
}

BOOST_AUTO_TEST_CASE(real_models, *boost::unit_test::precondition(has_testdata("configs"))) {
  const io::ModelConfig small = real("Qwen2.5-0.5B-Instruct");
  BOOST_TEST(small.architecture == "Qwen2ForCausalLM");
  BOOST_TEST(small.hidden_size == 896);
  BOOST_TEST(small.heads == 14);
  BOOST_TEST(small.kv_heads == 2);
  BOOST_TEST(small.head_dim == 64);
  BOOST_TEST(small.tied_embeddings);
  BOOST_TEST(small.qkv_bias);
  BOOST_CHECK(small.checkpoint_dtype == io::DType::bf16);
  BOOST_TEST(small.eos_token_ids == Ids{151645}, boost::test_tools::per_element());
  for (const char* name : {"Qwen2.5-1.5B-Instruct", "Qwen2.5-3B-Instruct", "Qwen2.5-7B-Instruct",
                           "Qwen2.5-14B-Instruct", "Qwen2.5-32B-Instruct", "Qwen2-7B-Instruct",
                           "Qwen2-72B-Instruct", "llama-2-7b-chat-hf"}) {
    BOOST_TEST(real_problem(name) == "", name);
  }
  const io::ModelConfig llama3 = real("Llama-3.2-3B-Instruct");
  BOOST_TEST(llama3.max_position == 131072);
  BOOST_TEST(llama3.tied_embeddings);
  const io::ModelConfig mistral = real("Mistral-7B-Instruct-v0.2");
  BOOST_TEST(mistral.kv_heads == 8);
  BOOST_TEST(mistral.by_layer.front().window == 0);
  const io::ModelConfig qwen3 = real("Qwen3-4B");
  BOOST_TEST(qwen3.head_dim == 128);
  BOOST_TEST(qwen3.by_layer.back().window == 0);
  BOOST_TEST(!qwen3.qkv_bias);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(generation_config)

BOOST_AUTO_TEST_CASE(without_a_file_or_a_key_transformers_defaults) {
  const gpumodel::test::TemporaryFolder made;
  const io::Folder folder = io::Folder::open(made.path());
  const io::GenerationDefaults absent = io::read_generation_defaults(folder);
  made.write("generation_config.json", R"({"top_k": null, "num_beams": 1, "bad_words_ids": []})");
  for (const io::GenerationDefaults& defaults : {absent, io::read_generation_defaults(folder)}) {
    BOOST_TEST(!defaults.do_sample);
    BOOST_TEST(defaults.temperature == 1.0f);
    BOOST_TEST(defaults.top_p == 1.0f);
    BOOST_TEST(defaults.top_k == 50);
    BOOST_TEST(defaults.min_p == 0.0f);
    BOOST_TEST(defaults.repetition_penalty == 1.0f);
    BOOST_TEST(defaults.eos_token_ids.empty());
  }
}

BOOST_AUTO_TEST_CASE(qwens, *boost::unit_test::precondition(has_testdata("configs"))) {
  const io::GenerationDefaults defaults = io::parse_generation_config(
      gpumodel::test::read_file(testdata("configs/Qwen2.5-7B-Instruct.generation_config.json")));
  BOOST_TEST(defaults.do_sample);
  BOOST_TEST(defaults.temperature == 0.7f);
  BOOST_TEST(defaults.top_p == 0.8f);
  BOOST_TEST(defaults.top_k == 20);
  BOOST_TEST(defaults.repetition_penalty == 1.05f);
  BOOST_TEST(defaults.eos_token_ids == (Ids{151645, 151643}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(out_of_range_or_without_effect_here_is_refused) {
  const auto problem_of = [](const std::string& text) {
    return message_of<BadModel>([&] { io::parse_generation_config(text); });
  };
  for (const char* text :
       {R"({"temperature":-1})", R"({"top_p":1.5})", R"({"top_k":-1})", R"({"min_p":2})",
        R"({"repetition_penalty":0})", R"({"do_sample":1})", R"({"temperature":"hot"})"}) {
    BOOST_TEST(contains(problem_of(text), "generation_config.json: "), text);
  }
  BOOST_TEST(problem_of(R"({"num_beams":4})") ==
             "generation_config.json: num_beams 4 is not supported");
  BOOST_TEST(contains(problem_of(R"({"bad_words_ids":[[1]]})"), "bad_words_ids"));
  BOOST_TEST(contains(problem_of(R"({"no_repeat_ngram_size":3})"), "no_repeat_ngram_size"));
}

BOOST_AUTO_TEST_SUITE_END()
