#include "engine/model/loader.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <map>

#include "engine/model/quantize.hpp"
#include "engine/model/source.hpp"
#include "support/matrix_values.hpp"
#include "tiny_model.hpp"

namespace io = gpumodel::engine::io;
namespace memory = gpumodel::engine::memory;
namespace model = gpumodel::engine::model;
using gpumodel::engine::BadModel;
using gpumodel::test::contains;
using gpumodel::test::message_of;
using gpumodel::test::TemporaryFolder;
using gpumodel::test::TestTensor;
using gpumodel::test::TinyModel;
using gpumodel::test::TinyOptions;

namespace {

constexpr std::uint64_t kCapacity = std::uint64_t{1} << 30;

float narrowed(float value, io::DType dtype) {
  if (dtype == io::DType::f16) return model::f16_to_float(model::float_to_f16(value));
  if (dtype == io::DType::bf16) return model::bf16_to_float(model::float_to_bf16(value));
  return value;
}

std::vector<float> floats(const model::MatrixView& view) {
  std::vector<float> values;
  for (std::int64_t row = 0; row < view.rows; ++row)
    for (std::int64_t column = 0; column < view.columns; ++column)
      values.push_back(gpumodel::test::matrix_value(view, row, column));
  return values;
}

// The named tensors one after the other, as the arena must hold them.
std::vector<float> expected(const TinyModel& tiny, const std::vector<std::string>& names,
                            io::DType dtype) {
  std::vector<float> all;
  for (const std::string& name : names) {
    for (const float value : tiny.values(name)) all.push_back(narrowed(value, dtype));
  }
  return all;
}

void check_vector(const float* got, const std::vector<float>& wanted) {
  BOOST_REQUIRE(got != nullptr);
  BOOST_TEST(std::vector<float>(got, got + wanted.size()) == wanted,
             boost::test_tools::per_element());
}

void check_matrix(const model::MatrixView& got, const std::vector<float>& wanted) {
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(got.data) % 64 == 0u);
  BOOST_TEST(floats(got) == wanted, boost::test_tools::per_element());
}

void check_weights(const TinyModel& tiny, const model::ModelWeights& weights, io::DType dtype) {
  using Names = std::vector<std::string>;
  const auto matrix = [&](const Names& names) { return expected(tiny, names, dtype); };
  const auto vector = [&](const Names& names) { return expected(tiny, names, io::DType::f32); };
  check_matrix(weights.embedding, matrix({"model.embed_tokens.weight"}));
  check_matrix(weights.lm_head, matrix({"lm_head.weight"}));
  check_vector(weights.final_norm, vector({"model.norm.weight"}));
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const model::LayerWeights& layer = weights.layers[i];
    const std::string at = "model.layers." + std::to_string(i) + ".";
    const std::string self = at + "self_attn.";
    check_vector(layer.attention_norm, vector({at + "input_layernorm.weight"}));
    check_vector(layer.mlp_norm, vector({at + "post_attention_layernorm.weight"}));
    check_matrix(layer.qkv,
                 matrix({self + "q_proj.weight", self + "k_proj.weight", self + "v_proj.weight"}));
    check_vector(layer.qkv_bias,
                 vector({self + "q_proj.bias", self + "k_proj.bias", self + "v_proj.bias"}));
    check_matrix(layer.o, matrix({self + "o_proj.weight"}));
    check_vector(layer.o_bias, vector({self + "o_proj.bias"}));
    check_matrix(layer.gate_up, matrix({at + "mlp.gate_proj.weight", at + "mlp.up_proj.weight"}));
    check_vector(layer.gate_up_bias, vector({at + "mlp.gate_proj.bias", at + "mlp.up_proj.bias"}));
    check_matrix(layer.down, matrix({at + "mlp.down_proj.weight"}));
    check_vector(layer.down_bias, vector({at + "mlp.down_proj.bias"}));
  }
}

TinyOptions with_everything(const std::string& dtype) {
  TinyOptions options;
  options.attention_bias = options.mlp_bias = true;
  options.dtypes[""] = dtype;
  return options;
}

// Large enough for several slices: a vocabulary of 2^19 rows of 12 floats has 25 MB.
TinyModel large_model() {
  TinyModel tiny{TinyOptions{}};
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) {
    for (TestTensor& tensor : tiny.tensors) {
      if (tensor.name != name) continue;
      tensor.shape = {1 << 19, 12};
      tensor.data.assign(std::size_t{12} << 21, '\0');
      for (std::size_t i = 0; i < tensor.data.size(); i += 4) {
        const auto value = static_cast<float>(i);
        std::memcpy(&tensor.data[i], &value, 4);
      }
    }
  }
  return tiny;
}

void write_large(const TinyModel& tiny, const TemporaryFolder& folder) {
  tiny.write(folder);
  auto config = nlohmann::json::parse(tiny.config());
  config["vocab_size"] = 1 << 19;
  folder.write("config.json", config.dump());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(loader)

BOOST_AUTO_TEST_CASE(every_tensor_arrives_in_every_dtype) {
  for (const char* stored : {"F32", "F16", "BF16"}) {
    const TinyModel tiny(with_everything(stored));
    const TemporaryFolder folder;
    tiny.write(folder);
    for (const io::DType dtype : {io::DType::f32, io::DType::f16, io::DType::bf16}) {
      const model::ModelSource source = model::open_source(folder.path(), io::dtype_name(dtype));
      memory::Budget budget(kCapacity);
      const model::LoadedWeights loaded =
          model::load_weights(source.tensors, source.layout, {budget, "weights"}, {});
      BOOST_TEST_CONTEXT(stored << " as " << io::dtype_name(dtype)) {
        check_weights(tiny, loaded.weights, dtype);
      }
      BOOST_TEST(budget.used_bytes() == source.layout.tensor_bytes);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_mix_of_dtypes_in_one_checkpoint) {
  TinyOptions options = with_everything("BF16");
  options.dtypes["model.layers.0.self_attn.k_proj.weight"] = "F32";
  options.dtypes["model.layers.1.self_attn.v_proj.weight"] = "F16";
  options.dtypes["model.norm.weight"] = "F32";
  const TinyModel tiny(options);
  const TemporaryFolder folder;
  tiny.write(folder);
  const model::ModelSource source = model::open_source(folder.path(), "bf16");
  memory::Budget budget(kCapacity);
  model::LoadOptions threads;
  threads.threads = 4;
  const model::LoadedWeights loaded =
      model::load_weights(source.tensors, source.layout, {budget, "weights"}, threads);
  check_weights(tiny, loaded.weights, io::DType::bf16);
}

BOOST_AUTO_TEST_CASE(tied_weights_are_one) {
  TinyOptions options;
  options.tied = true;
  const TemporaryFolder folder;
  TinyModel(options).write(folder);
  const model::ModelSource source = model::open_source(folder.path(), "auto");
  memory::Budget budget(kCapacity);
  const model::LoadedWeights loaded =
      model::load_weights(source.tensors, source.layout, {budget, "weights"}, {});
  BOOST_TEST(loaded.weights.lm_head.data == loaded.weights.embedding.data);
  BOOST_TEST(loaded.weights.layers[0].qkv_bias == nullptr);
  BOOST_TEST(loaded.weights.layers[0].down_bias == nullptr);
}

BOOST_AUTO_TEST_CASE(slices_by_several_threads_with_progress) {
  const TinyModel tiny = large_model();
  const TemporaryFolder folder;
  write_large(tiny, folder);
  for (const char* dtype : {"fp32", "bf16"}) {
    const model::ModelSource source = model::open_source(folder.path(), dtype);
    memory::Budget budget(kCapacity);
    std::vector<std::uint64_t> done;
    model::LoadOptions options;
    options.threads = 3;
    options.progress = [&](std::uint64_t now, std::uint64_t total) {
      BOOST_TEST(total == source.layout.source_bytes);
      done.push_back(now);
    };
    model::LoadedWeights loaded =
        model::load_weights(source.tensors, source.layout, {budget, "weights"}, options);
    BOOST_REQUIRE(!done.empty());
    BOOST_TEST(std::is_sorted(done.begin(), done.end()));
    BOOST_TEST(done.back() == source.layout.source_bytes);

    const std::vector<float> got = floats(loaded.weights.lm_head);
    const std::vector<float> wanted = tiny.values("lm_head.weight");
    BOOST_REQUIRE(got.size() == wanted.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      different += got[i] != narrowed(wanted[i], source.layout.types.dtype);
    }
    BOOST_TEST(different == 0u);

    const memory::UnloadMeasure measure = loaded.arena.release();
    BOOST_TEST(measure.expected_bytes >= source.layout.tensor_bytes - 64 * 4096);
    BOOST_TEST(measure.residual_bytes == 0u);
    BOOST_TEST(budget.used_bytes() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_stop_ends_it_between_slices_and_frees_everything) {
  const TemporaryFolder folder;
  write_large(large_model(), folder);
  const model::ModelSource source = model::open_source(folder.path(), "fp32");
  memory::Budget budget(kCapacity);
  for (const unsigned threads : {1u, 2u}) {
    std::stop_source stop;
    model::LoadOptions options;
    options.threads = threads;
    options.stop = stop.get_token();
    int calls = 0;
    options.progress = [&](std::uint64_t, std::uint64_t) {
      ++calls;
      stop.request_stop();
    };
    if (threads > 1) stop.request_stop();
    BOOST_CHECK_THROW(
        model::load_weights(source.tensors, source.layout, {budget, "weights"}, options),
        model::LoadInterrupted);
    BOOST_TEST(calls == (threads > 1 ? 0 : 1));
    BOOST_TEST(budget.used_bytes() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_file_cut_after_it_was_opened_is_named) {
  const TemporaryFolder folder;
  TinyModel(with_everything("F32")).write(folder);
  for (const char* dtype : {"fp32", "bf16", "int4"}) {
    const model::ModelSource source = model::open_source(folder.path(), dtype);
    const std::string path = folder.path("model.safetensors");
    const auto bytes = std::filesystem::file_size(path);
    std::filesystem::resize_file(path, bytes - 100);
    memory::Budget budget(kCapacity);
    model::LoadOptions options;
    options.threads = 2;
    const std::string message = message_of<BadModel>([&] {
      model::load_weights(source.tensors, source.layout, {budget, "weights"}, options);
    });
    BOOST_TEST(contains(message, "model.safetensors: ends at byte"), message);
    BOOST_TEST(budget.used_bytes() == 0u);
    std::filesystem::resize_file(path, bytes);
  }
}

BOOST_AUTO_TEST_CASE(values_that_are_no_numbers_are_found_where_they_are) {
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  // Of each dtype a NaN, an infinity and the largest finite number.
  const std::map<std::string, std::vector<std::uint32_t>> patterns{
      {"F32", {0x7f800001, 0xff800000, 0x7f7fffff}},
      {"F16", {0xfe00, 0x7c00, 0x7bff}},
      {"BF16", {0x7fc0, 0xff80, 0x7f7f}}};
  for (const auto& [stored, bits] : patterns)
    for (std::size_t which = 0; which < bits.size(); ++which)
      for (const std::size_t element : {0u, 77u, 119u})
        for (const char* dtype : {"fp32", "bf16", "int8"}) {
          TinyModel tiny(with_everything(stored));
          for (TestTensor& tensor : tiny.tensors) {
            if (tensor.name != name) continue;
            const std::size_t width = stored == "F32" ? 4 : 2;
            std::memcpy(&tensor.data[element * width], &bits[which], width);
          }
          const TemporaryFolder folder;
          tiny.write(folder);
          const model::ModelSource source = model::open_source(folder.path(), dtype);
          memory::Budget budget(kCapacity);
          const std::string message = message_of<BadModel>([&] {
            model::load_weights(source.tensors, source.layout, {budget, "weights"}, {});
          });
          const bool is_finite = which == 2;
          BOOST_TEST(message == (is_finite ? ""
                                           : "model.safetensors: tensor " + name +
                                                 " holds values that are no finite numbers; the "
                                                 "file is damaged, or its training failed"));
          BOOST_TEST(budget.used_bytes() == 0u);
        }
}

BOOST_AUTO_TEST_CASE(quantised_matrices_are_what_their_values_quantise_to) {
  TinyOptions options = with_everything("F32");
  options.dtypes["model.layers.0.self_attn.k_proj.weight"] = "BF16";
  options.dtypes["model.layers.1.mlp.down_proj.weight"] = "F16";
  const TinyModel tiny(options);
  const TemporaryFolder folder;
  tiny.write(folder);
  for (const char* dtype : {"int8", "int4"}) {
    const model::ModelSource source = model::open_source(folder.path(), dtype);
    memory::Budget budget(kCapacity);
    const model::LoadedWeights loaded =
        model::load_weights(source.tensors, source.layout, {budget, "weights"}, {});
    const auto check = [&](const model::MatrixView& got, const std::vector<std::string>& names) {
      const std::vector<float> values = expected(tiny, names, io::DType::f32);
      std::vector<std::byte> data(values.size() * 4), scales(values.size() * 4);
      BOOST_REQUIRE(model::quantize_rows(values.data(), got.rows, got.columns, got.format,
                                         data.data(), scales.data()));
      const model::MatrixView wanted{data.data(), got.rows, got.columns, got.format, scales.data()};
      BOOST_TEST(reinterpret_cast<std::uintptr_t>(got.scales) % 64 == 0u);
      BOOST_TEST(floats(got) == floats(wanted), boost::test_tools::per_element());
    };
    check(loaded.weights.embedding, {"model.embed_tokens.weight"});
    check(loaded.weights.lm_head, {"lm_head.weight"});
    for (std::size_t i = 0; i < loaded.weights.layers.size(); ++i) {
      const std::string at = "model.layers." + std::to_string(i) + ".";
      const model::LayerWeights& layer = loaded.weights.layers[i];
      check(layer.qkv, {at + "self_attn.q_proj.weight", at + "self_attn.k_proj.weight",
                        at + "self_attn.v_proj.weight"});
      check(layer.o, {at + "self_attn.o_proj.weight"});
      check(layer.gate_up, {at + "mlp.gate_proj.weight", at + "mlp.up_proj.weight"});
      check(layer.down, {at + "mlp.down_proj.weight"});
      check_vector(layer.mlp_norm,
                   expected(tiny, {at + "post_attention_layernorm.weight"}, io::DType::f32));
    }
  }
}

BOOST_AUTO_TEST_CASE(values_beyond_int4_are_named) {
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  TinyModel tiny(TinyOptions{});
  for (TestTensor& tensor : tiny.tensors) {
    const float large = 1e6f;
    if (tensor.name == name) std::memcpy(tensor.data.data(), &large, sizeof large);
  }
  const TemporaryFolder folder;
  tiny.write(folder);
  for (const char* dtype : {"int8", "int4"}) {
    const model::ModelSource source = model::open_source(folder.path(), dtype);
    memory::Budget budget(kCapacity);
    const std::string message = message_of<BadModel>([&] {
      model::load_weights(source.tensors, source.layout, {budget, "weights"}, {});
    });
    const bool fits = dtype == std::string("int8");
    BOOST_TEST(message == (fits ? ""
                                : "model.safetensors: tensor " + name +
                                      " holds values too large for int4; load the model with "
                                      "another dtype"));
    BOOST_TEST(budget.used_bytes() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(over_budget_reads_nothing) {
  const TemporaryFolder folder;
  TinyModel{TinyOptions{}}.write(folder);
  const model::ModelSource source = model::open_source(folder.path(), "fp32");
  memory::Budget budget(source.layout.tensor_bytes - 1);
  bool reported = false;
  model::LoadOptions options;
  options.progress = [&](std::uint64_t, std::uint64_t) { reported = true; };
  BOOST_CHECK_THROW(
      model::load_weights(source.tensors, source.layout, {budget, "weights"}, options),
      memory::OutOfMemory);
  BOOST_TEST(!reported);
}

BOOST_AUTO_TEST_SUITE_END()
