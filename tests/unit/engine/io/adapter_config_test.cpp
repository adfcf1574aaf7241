#include "engine/io/adapter_config.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "engine/io/bad_model.hpp"
#include "support/model_folder.hpp"
#include "support/testdata.hpp"

namespace io = gpumodel::engine::io;
using gpumodel::engine::BadModel;
using namespace gpumodel::test;

namespace {

std::string refusal_of(const std::string& text) {
  return message_of<BadModel>([&] { io::parse_adapter_config(text); });
}

std::string lora_with(const std::string& setting) {
  return R"({"peft_type": "LORA", "r": 4, )" + setting + "}";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(adapter_config)

// Each of the folder's files, which others published, is served or refused for what is in its name.
BOOST_AUTO_TEST_CASE(published_configurations_are_read_or_refused_by_name,
                     *boost::unit_test::precondition(has_testdata("peft"))) {
  // What the refusal names, by a part of the file's name.
  const std::map<std::string, std::string> refused{{"adalora", "ADALORA"},
                                                   {"ia3", "IA3"},
                                                   {"loha", "LOHA"},
                                                   {"dora", "use_dora"},
                                                   {"bdlora", "use_bdlora"},
                                                   {"kasa", "kasa_config"},
                                                   {"prefixtuning", "PREFIX_TUNING"}};
  std::set<std::string> seen;
  for (const auto& entry : std::filesystem::directory_iterator(testdata("peft"))) {
    const std::string name = entry.path().stem();
    const std::string text = read_file(entry.path());
    const auto reason = std::find_if(refused.begin(), refused.end(), [&](const auto& one) {
      return name.ends_with("-" + one.first) || contains(name, "_" + one.first + "__");
    });
    BOOST_TEST_CONTEXT(name) {
      const std::string refusal = refusal_of(text);
      if (reason == refused.end()) {
        BOOST_TEST(refusal == "");
        continue;
      }
      seen.insert(reason->first);
      BOOST_TEST(contains(refusal, "adapter_config.json: "), refusal);
      BOOST_TEST(contains(refusal, reason->second), refusal);
    }
  }
  BOOST_TEST(seen.size() == refused.size());
}

BOOST_AUTO_TEST_CASE(says_rank_scale_and_patterns) {
  const auto config = io::parse_adapter_config(
      R"({"peft_type": "LORA", "r": 16, "lora_alpha": 32, "use_rslora": true, "task_type": null,
          "rank_pattern": {"b": 2, "a": 3}, "alpha_pattern": {"c": 1.5}, "init_lora_weights": "gaussian",
          "modules_to_save": null, "lora_dropout": 0.1, "target_modules": ["q_proj"], "bias": "none"})");
  BOOST_TEST(config.rank == 16);
  BOOST_TEST(config.alpha == 32.0);
  BOOST_TEST(config.rslora);
  BOOST_REQUIRE(config.ranks.size() == 2u);
  BOOST_TEST(config.ranks[0].pattern == "b");
  BOOST_TEST(config.ranks[1].value == 3.0);
  BOOST_TEST(config.alphas.at(0).value == 1.5);
  BOOST_TEST(config.scale(32, 16) == 8.0);
  const auto plain = io::parse_adapter_config(R"({"peft_type": "LORA"})");
  BOOST_TEST(plain.rank == 8);
  BOOST_TEST(plain.scale(plain.alpha, plain.rank) == 1.0);
}

BOOST_AUTO_TEST_CASE(what_would_change_the_results_is_refused_by_name) {
  const std::map<std::string, std::string> cases{
      {R"("use_dora": true)", "DoRA"},
      {R"("modules_to_save": ["lm_head"])", "modules_to_save"},
      {R"("bias": "all")", "bias \"all\""},
      {R"("lora_bias": true)", "lora_bias"},
      {R"("fan_in_fan_out": true)", "fan_in_fan_out"},
      {R"("layer_replication": [[0, 2]])", "layer_replication"},
      {R"("trainable_token_indices": [1])", "trainable_token_indices"},
      {R"("target_parameters": ["a"])", "target_parameters"},
      {R"("alora_invocation_tokens": [1])", "alora_invocation_tokens"},
      {R"("use_qalora": true)", "use_qalora"},
      {R"("megatron_config": {"a": 1})", "megatron_config"},
      {R"("task_type": "SEQ_CLS")", "SEQ_CLS"},
      {R"("init_lora_weights": "pissa_niter_4")", "pissa_niter_4"},
      {R"("init_lora_weights": "olora")", "olora"},
      {R"("init_lora_weights": "loftq")", "loftq"},
      {R"("init_lora_weights": 3)", "init_lora_weights"},
      {R"("velora_config": {"a": 1})", "velora_config"},
      {R"("use_tomorrow": true)", "use_tomorrow"},
      {R"("a\nb": 1)", "is set and unknown"}};
  for (const auto& [setting, word] : cases) {
    const std::string refusal = refusal_of(lora_with(setting));
    BOOST_TEST(contains(refusal, "adapter_config.json: "), setting << ": " << refusal);
    BOOST_TEST(contains(refusal, word), setting << ": " << refusal);
    BOOST_TEST(!contains(refusal, "\n"), setting);
  }
  for (const char* setting :
       {R"("use_dora": false)", R"("use_tomorrow": null)", R"("tomorrow": [])", R"("x": 0)",
        R"("init_lora_weights": false)", R"("init_lora_weights": "mica")"})
    BOOST_TEST(refusal_of(lora_with(setting)) == "", setting);
}

BOOST_AUTO_TEST_CASE(values_out_of_range_are_refused) {
  for (const char* text :
       {"", "[]", "{", "{}", R"({"peft_type": 3})", R"({"peft_type": "LORA", "r": 0})",
        R"({"peft_type": "LORA", "r": 5000})", R"({"peft_type": "LORA", "r": 2.5})",
        R"({"peft_type": "LORA", "r": "8"})", R"({"peft_type": "LORA", "lora_alpha": 1e30})",
        R"({"peft_type": "LORA", "rank_pattern": {"a": 0}})",
        R"({"peft_type": "LORA", "rank_pattern": {"a": 1.5}})",
        R"({"peft_type": "LORA", "rank_pattern": {"a": "2"}})",
        R"({"peft_type": "LORA", "rank_pattern": [1]})",
        R"({"peft_type": "LORA", "alpha_pattern": {"a": null}})",
        R"({"peft_type": "LORA", "use_rslora": "yes"})"})
    BOOST_TEST(contains(refusal_of(text), "adapter_config.json"), text);
  BOOST_TEST(contains(refusal_of(R"({"peft_type": "LORA", "rank_pattern": {")" +
                                 std::string(2000, 'a') + R"(": 2}})"),
                      "rank_pattern"));
}

BOOST_AUTO_TEST_SUITE_END()
