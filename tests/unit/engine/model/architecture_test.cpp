#include "engine/model/architecture.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

namespace model = gpumodel::engine::model;

BOOST_AUTO_TEST_SUITE(architecture)

BOOST_AUTO_TEST_CASE(rows_are_found_by_name) {
  std::set<std::string_view> names;
  for (const model::Architecture& row : model::architectures()) {
    BOOST_TEST(model::find_architecture(row.config.architecture) == &row);
    BOOST_TEST(names.insert(row.config.architecture).second);
  }
  BOOST_TEST(names.count("LlamaForCausalLM") == 1u);
  BOOST_TEST(names.count("Qwen2ForCausalLM") == 1u);
  BOOST_TEST(model::find_architecture("BertModel") == nullptr);
}

BOOST_AUTO_TEST_CASE(names_of_tensors) {
  const model::TensorNames& names = model::find_architecture("LlamaForCausalLM")->names;
  BOOST_TEST(model::tensor_name(names.qkv[0], 12, ".bias") ==
             "model.layers.12.self_attn.q_proj.bias");
  BOOST_TEST(model::tensor_name(names.final_norm, 3, ".weight") == "model.norm.weight");
}

BOOST_AUTO_TEST_SUITE_END()
