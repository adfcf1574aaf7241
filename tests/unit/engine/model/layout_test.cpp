#include "engine/model/layout.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <tuple>

#include "engine/model/architecture.hpp"
#include "engine/model/needs.hpp"
#include "engine/model/source.hpp"
#include "support/testdata.hpp"
#include "tiny_model.hpp"

namespace io = gpumodel::engine::io;
namespace model = gpumodel::engine::model;
namespace device = gpumodel::engine::device;
using device::MatrixFormat;
using gpumodel::engine::BadModel;
using gpumodel::test::contains;
using gpumodel::test::has_testdata;
using gpumodel::test::message_of;
using gpumodel::test::TemporaryFolder;
using gpumodel::test::TestTensor;
using gpumodel::test::TinyModel;
using gpumodel::test::TinyOptions;

namespace {

model::ModelSource open(const TinyModel& tiny, const std::string& dtype = "auto") {
  const TemporaryFolder folder;
  tiny.write(folder);
  return model::open_source(folder.path(), dtype);
}

std::string problem(const TinyModel& tiny, const std::string& dtype = "auto") {
  return message_of<BadModel>([&] { open(tiny, dtype); });
}

void erase(TinyModel& tiny, const std::string& name) {
  std::erase_if(tiny.tensors, [&](const TestTensor& tensor) { return tensor.name == name; });
}

// No two pieces share bytes of the arena, and all lie in it.
void check_pieces(const model::Layout& layout) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const model::Piece& piece : layout.pieces) {
    const auto add = [&](std::uint64_t offset, std::int64_t row_bytes) {
      ranges.emplace_back(offset, offset + static_cast<std::uint64_t>(piece.rows * row_bytes));
    };
    add(piece.arena_offset, device::row_bytes(piece.target, piece.columns));
    if (device::is_quantized(piece.target))
      add(piece.scales_offset, device::row_scale_bytes(piece.target, piece.columns));
  }
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t end = 0;
  for (const auto& [first, last] : ranges) {
    BOOST_TEST(first >= end);
    end = last;
  }
  BOOST_TEST(end <= layout.tensor_bytes);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(layout)

BOOST_AUTO_TEST_CASE(slots_hold_all_that_the_configuration_asks_for) {
  for (const char* architecture : {"LlamaForCausalLM", "Qwen2ForCausalLM"}) {
    for (const bool biased : {false, true}) {
      TinyOptions options;
      options.architecture = architecture;
      options.attention_bias = options.mlp_bias = biased && options.architecture[0] == 'L';
      const TinyModel tiny(options);
      const model::ModelSource source = open(tiny);
      const model::Layout& layout = source.layout;
      BOOST_TEST(layout.pieces.size() == tiny.tensors.size());
      BOOST_TEST(layout.layers.size() == 2u);
      BOOST_TEST(layout.layers[1].qkv.rows == 12 + 4 + 4);
      BOOST_TEST(layout.layers[1].gate_up.rows == 20);
      BOOST_TEST(layout.layers[1].down.columns == 10);
      BOOST_TEST(layout.layers[0].qkv_bias.has_value() == (source.config.qkv_bias));
      BOOST_TEST(layout.lm_head.has_value());
      BOOST_TEST(layout.tensor_bytes % 4096 == 0u);
      std::uint64_t elements = 0;
      for (const TestTensor& tensor : tiny.tensors) elements += tensor.data.size() / 4;
      BOOST_TEST(layout.parameters == elements);
      BOOST_TEST(layout.source_bytes == 4 * elements);
      check_pieces(layout);
    }
  }
}

BOOST_AUTO_TEST_CASE(every_architecture_finds_its_own_tensors) {
  for (const model::Architecture& row : model::architectures()) {
    BOOST_TEST_CONTEXT(row.config.architecture) {
      TinyOptions options;
      options.architecture = row.config.architecture;
      TinyModel tiny(options);
      const model::Layout layout = open(tiny).layout;
      BOOST_TEST(layout.pieces.size() == tiny.tensors.size());
      check_pieces(layout);
      for (const model::LayerSlots& layer : layout.layers) {
        BOOST_TEST(layer.qkv.rows == 12 + 4 + 4);
        BOOST_TEST(layer.gate_up.rows == 20);
        BOOST_TEST(layer.q_norm.has_value() == !row.names.q_norm.empty());
        BOOST_TEST(layer.k_norm.has_value() == !row.names.k_norm.empty());
        BOOST_TEST(layer.post_attention_norm.has_value() == !row.names.post_attention_norm.empty());
        BOOST_TEST(layer.post_mlp_norm.has_value() == !row.names.post_mlp_norm.empty());
      }
      // Whichever is missing is named.
      for (const TestTensor& tensor : std::vector(tiny.tensors)) {
        TinyModel lacking = tiny;
        erase(lacking, tensor.name);
        if (tensor.name != "lm_head.weight")
          BOOST_TEST(problem(lacking) ==
                     "model.safetensors: tensor " + tensor.name + " is missing");
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(matrices_take_the_dtype_norms_and_biases_are_floats) {
  TinyOptions options;
  options.attention_bias = true;
  options.dtypes[""] = "BF16";
  options.dtypes["model.layers.0.mlp.up_proj.weight"] = "F32";
  const model::Layout layout = open(TinyModel(options), "fp16").layout;
  std::size_t narrow = 0;
  for (const model::Piece& piece : layout.pieces) {
    const bool is_vector = piece.elements() <= 12;
    BOOST_CHECK(piece.target == (is_vector ? MatrixFormat::f32 : MatrixFormat::f16));
    if (piece.source == io::DType::bf16) ++narrow;
  }
  BOOST_TEST(narrow == layout.pieces.size() - 1);
  check_pieces(layout);
}

BOOST_AUTO_TEST_CASE(quantised_matrices_leave_the_vocabulary_at_eight_bits) {
  for (const auto& [name, layers, vocabulary] :
       {std::tuple{"int8", MatrixFormat::int8, MatrixFormat::int8},
        std::tuple{"int4", MatrixFormat::int4, MatrixFormat::int8}}) {
    const model::Layout layout = open(TinyModel(TinyOptions{}), name).layout;
    BOOST_TEST(layout.types.name() == name);
    BOOST_CHECK(layout.types.dtype == io::DType::bf16);
    BOOST_CHECK(layout.embedding.format == vocabulary);
    BOOST_CHECK(layout.lm_head->format == vocabulary);
    for (const model::LayerSlots& layer : layout.layers)
      for (const model::Slot* slot : {&layer.qkv, &layer.o, &layer.gate_up, &layer.down})
        BOOST_CHECK(slot->format == layers);
    BOOST_CHECK(layout.layers[0].attention_norm.format == MatrixFormat::f32);
    check_pieces(layout);
  }
  // What is kept beside them is narrower than fp32, and else as the checkpoint has it.
  TinyOptions options;
  options.dtypes[""] = "F16";
  BOOST_CHECK(open(TinyModel(options), "int8").layout.types.dtype == io::DType::f16);
}

BOOST_AUTO_TEST_CASE(auto_is_what_the_configuration_or_the_embedding_says) {
  TinyOptions options;
  options.dtypes[""] = "BF16";
  const TinyModel tiny(options);
  BOOST_CHECK(open(tiny, "auto").layout.types.dtype == io::DType::bf16);
  BOOST_CHECK(open(tiny, "fp32").layout.types.dtype == io::DType::f32);
  model::ModelSource source = open(tiny);
  source.config.checkpoint_dtype = io::DType::f16;
  BOOST_CHECK(model::resolve_dtype("auto", source.config, source.tensors).dtype == io::DType::f16);
  BOOST_CHECK_THROW(model::resolve_dtype("int9", source.config, source.tensors),
                    std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(tied_embeddings) {
  TinyOptions options;
  options.tied = true;
  TinyModel tiny(options);
  BOOST_TEST(!open(tiny).layout.lm_head.has_value());

  // The other of the two serves as well.
  for (TestTensor& tensor : tiny.tensors) {
    if (tensor.name == "model.embed_tokens.weight") tensor.name = "lm_head.weight";
  }
  BOOST_TEST(!open(tiny).layout.lm_head.has_value());
  erase(tiny, "lm_head.weight");
  BOOST_TEST(problem(tiny) == "model.safetensors: tensor model.embed_tokens.weight is missing");

  // Both in the file: they may differ, and transformers then unties them.
  options.tied = false;
  const TinyModel untied(options);
  model::ModelSource source = open(untied);
  source.config.tied_embeddings = true;
  const model::Layout both = model::make_layout(source.config, source.tensors, {});
  BOOST_TEST(both.lm_head.has_value());
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_named) {
  TinyModel tiny{TinyOptions{}};
  erase(tiny, "model.layers.1.mlp.up_proj.weight");
  BOOST_TEST(problem(tiny) ==
             "model.safetensors: tensor model.layers.1.mlp.up_proj.weight is missing");

  TinyModel transposed{TinyOptions{}};
  for (TestTensor& tensor : transposed.tensors) {
    if (tensor.name == "model.layers.0.mlp.down_proj.weight") tensor.shape = {10, 12};
  }
  BOOST_TEST(problem(transposed) ==
             "model.safetensors: tensor model.layers.0.mlp.down_proj.weight has shape [10, 12], "
             "expected [12, 10]");

  TinyModel integers{TinyOptions{}};
  for (TestTensor& tensor : integers.tensors) {
    if (tensor.name == "model.norm.weight") tensor.dtype = "I32";
  }
  BOOST_TEST(contains(problem(integers), "tensor model.norm.weight has dtype I32"));
}

BOOST_AUTO_TEST_CASE(tensors_beyond_those_are_ignored) {
  TinyModel tiny{TinyOptions{}};
  const std::uint64_t parameters = open(tiny).layout.parameters;
  tiny.tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {1}, "abcd"});
  BOOST_TEST(open(tiny).layout.parameters == parameters);
}

BOOST_AUTO_TEST_CASE(needs_are_sums_that_can_be_done_by_hand) {
  const model::ModelSource source = open(TinyModel{TinyOptions{}}, "bf16");
  BOOST_TEST(source.needs.kv_bytes_per_token == 2u * 2 * 1 * 4 * 2);
  BOOST_TEST(source.needs.tensor_bytes == source.layout.tensor_bytes);
  // 512 rows of 12 + 12 + 4 + 20 + 12 + 20 + 10 floats, 64 of 17; all multiples of 64 bytes.
  const std::uint64_t exact = 4u * (512 * 90 + 64 * 17);
  BOOST_TEST(source.needs.workspace_bytes == (exact + 4095) / 4096 * 4096);
}

BOOST_AUTO_TEST_CASE(inspect_reports_a_real_model,
                     *boost::unit_test::precondition(has_testdata("models/stories260k"))) {
  const gpumodel::wire::InspectResult report =
      model::inspect(gpumodel::test::testdata("models/stories260k"), "auto");
  BOOST_TEST(report.architecture == "LlamaForCausalLM");
  BOOST_TEST(report.dtype == "fp32");
  // 512*64 + 5 * (64*64*2 + 64*32*2 + 3*64*172 + 2*64) + 64
  BOOST_TEST(report.parameters == 260032u);
  BOOST_TEST(report.vocab_size == 512u);
  BOOST_TEST(report.context_tokens == 512u);
  BOOST_TEST(report.kv_bytes_per_token == 2u * 5 * 4 * 8 * 4);
  BOOST_TEST(report.tensor_bytes >= 4 * report.parameters);
  BOOST_TEST(report.identity.size() == 64u);
}

BOOST_AUTO_TEST_SUITE_END()
