// Quantised models against transformers on the same quantised values, widened to float.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/matrix_values.hpp"
#include "support/model_folder.hpp"
#include "support/testdata.hpp"
#include "unit/engine/model/parity.hpp"

using namespace gpumodel::test;
namespace utf = boost::unit_test;

namespace {

// The tensor as it arrived in the arena.
TestTensor widened(const model::Piece& piece, const std::byte* arena) {
  const device::MatrixView matrix{arena + piece.arena_offset, piece.rows, piece.columns,
                                  piece.target, arena + piece.scales_offset};
  TestTensor tensor{.name = piece.tensor, .dtype = "F32", .shape = {piece.rows}, .data = {}};
  if (device::is_quantized(piece.target)) tensor.shape.push_back(piece.columns);
  for (std::int64_t row = 0; row < piece.rows; ++row)
    for (std::int64_t column = 0; column < piece.columns; ++column) {
      const float value = matrix_value(matrix, row, column);
      tensor.data.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
  return tensor;
}

// A folder that transformers reads, with the values that the model of `folder` has as `dtype`.
std::string write_widened(const std::string& folder, const std::string& dtype) {
  const model::ModelSource source = model::open_source(folder, dtype);
  gpumodel::engine::memory::Budget budget(std::uint64_t{1} << 30);
  const model::LoadedWeights loaded =
      model::load_weights(source.tensors, source.layout, {budget, "weights"}, {});
  std::vector<TestTensor> tensors;
  for (const model::Piece& piece : source.layout.pieces)
    tensors.push_back(widened(piece, loaded.arena.data()));
  const std::string target =
      scratch("widened/" + std::filesystem::path(folder).filename().string() + "-" + dtype);
  std::filesystem::create_directories(target);
  std::ofstream(target + "/model.safetensors", std::ios::binary) << safetensors_file(tensors);
  for (const std::string file : {"/config.json", "/reference.json"})  // the latter for its prompts
    std::filesystem::copy_file(folder + file, target + file,
                               std::filesystem::copy_options::overwrite_existing);
  return target;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quantized, *utf::precondition(has_oracle_python()))

BOOST_AUTO_TEST_CASE(agrees_with_transformers_on_the_values_that_it_holds) {
  struct Case {
    std::string name, dtype, widened;
  };
  std::vector<Case> cases;
  std::vector<std::string> folders;
  for (const std::string name : {"llama-f32-tied", "llama-f32-head40", "llama-f16",
                                 "qwen2-bf16-sharded", "qwen3-f32", "gemma3-f32", "phi3-bf16"})
    for (const std::string dtype : {"int8", "int4"}) {
      cases.push_back({name, dtype, write_widened(random_models() + "/" + name, dtype)});
      folders.push_back(cases.back().widened);
    }
  const std::vector<Reference> exact = float_references(folders);
  for (std::size_t i = 0; i < cases.size(); ++i)
    for (const auto& backend : backends()) {
      RunningModel running(random_models() + "/" + cases[i].name, cases[i].dtype, *backend);
      Tolerance allowed = tolerance(running.dtype());
      // Beside quantised matrices the keys and values of float models are rounded to bf16, which
      // models that were made for it bear better.
      if (cases[i].name.find("f32") != std::string::npos) allowed.log_probability = 0.2f;
      check_parity(running, exact[i], allowed,
                   std::string(backend->name()) + " " + cases[i].name + " " + cases[i].dtype);
    }
}

BOOST_AUTO_TEST_SUITE_END()
