// Damaged model folders given to gpumodel-engine itself: each is refused by file and tensor, its
// memory is back, and the same process then serves the undamaged one.
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "engine_fixture.hpp"
#include "support/model_folder.hpp"
#include "support/testdata.hpp"

namespace {

namespace utf = boost::unit_test;
namespace wire = gpumodel::wire;
using gpumodel::test::Answer;
using gpumodel::test::Child;
using gpumodel::test::Engine;
using gpumodel::test::has_testdata;
using gpumodel::test::kMiB;
using gpumodel::test::TemporaryFolder;
using nlohmann::json;

constexpr const char* kModel = "models/stories260k";
constexpr const char* kFile = "model.safetensors";
constexpr const char* kTensor = "model.layers.2.mlp.down_proj.weight";

// A safetensors file taken apart.
struct File {
  json header;
  std::string data;

  explicit File(const std::string& bytes) {
    std::uint64_t header_bytes;
    std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
    header = json::parse(bytes.substr(8, header_bytes));
    data = bytes.substr(8 + header_bytes);
  }
  json& tensor() { return header.at(kTensor); }
  std::size_t offset() { return tensor().at("data_offsets").at(0).get<std::size_t>(); }
  std::string bytes() const { return gpumodel::test::safetensors_file(header.dump(), data); }
};

struct Damage {
  std::string what;
  std::function<void(File&)> inflict;
  std::string names;      // what the message says beside the file
  bool in_header = true;  // seen by an inspection, before a load
};

const std::vector<Damage>& damages() {
  static const std::vector<Damage> all{
      {"cut", [](File& f) { f.data.resize(f.data.size() - 1000); }, ""},
      {"overlapping", [](File& f) { f.tensor()["data_offsets"][0] = f.offset() - 4; }, kTensor},
      {"huge",
       [](File& f) {
         f.tensor()["shape"] = {1ll << 40, 1ll << 40};
       },
       kTensor},
      {"wrong shape",
       [](File& f) {
         f.tensor()["shape"] = {172, 64};
       },
       kTensor},
      {"wrong dtype", [](File& f) { f.tensor()["dtype"] = "I32"; }, kTensor},
      {"missing", [](File& f) { f.header["other"] = f.tensor(), f.header.erase(kTensor); },
       kTensor},
      {"NaN", [](File& f) { std::memset(&f.data[f.offset() + 400], 0xff, 4); }, kTensor, false},
  };
  return all;
}

void write_model(const TemporaryFolder& folder, const std::string& weights) {
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json"})
    folder.write(name, gpumodel::test::read_file(gpumodel::test::testdata(kModel) + "/" + name));
  folder.write(kFile, weights);
}

wire::LoadParams load_params(const std::string& path, std::uint64_t weights,
                             const std::string& identity) {
  wire::LoadParams params;
  params.weights = weights;
  params.path = path;
  params.identity = identity;
  params.context_tokens = 64;
  return params;
}

void check_refusal(const Answer& answer, const Damage& damage) {
  BOOST_TEST_REQUIRE(answer.failed());
  const wire::Error error = answer.error();
  BOOST_TEST((error.code == wire::Code::model_bad));
  BOOST_TEST(error.message.find(kFile) != std::string::npos, error.message);
  BOOST_TEST(error.message.find(damage.names) != std::string::npos, error.message);
}

BOOST_AUTO_TEST_SUITE(engine_bad_model, *utf::precondition(has_testdata(kModel)))

BOOST_AUTO_TEST_CASE(damaged_weights_are_named_and_the_engine_lives) {
  const std::string good =
      gpumodel::test::read_file(gpumodel::test::testdata(kModel) + "/" + kFile);
  Engine engine;
  Child probe({gpumodel::test::program("gpumodel-engine"), "--probe", "--fd", "FD"});
  std::uint64_t weights = 0;
  for (const Damage& damage : damages()) {
    BOOST_TEST_CONTEXT(damage.what) {
      File file(good);
      damage.inflict(file);
      const TemporaryFolder folder;
      write_model(folder, file.bytes());
      const Answer inspected =
          probe.client->ask("inspect", wire::InspectParams{folder.path(), "auto"});
      if (damage.in_header) check_refusal(inspected, damage);
      const std::string identity =
          damage.in_header ? "" : inspected.result<wire::InspectResult>().identity;
      check_refusal(engine.client->ask("load", load_params(folder.path(), ++weights, identity)),
                    damage);
      const auto measured = engine.client->call<wire::MeasureResult>("measure", wire::Empty{});
      BOOST_TEST(measured.weights.empty());
      BOOST_TEST(measured.resident_bytes < engine.started.resident_bytes + 32 * kMiB);
    }
  }
  const TemporaryFolder folder;
  write_model(folder, good);
  const auto facts = probe.client->call<wire::InspectResult>(
      "inspect", wire::InspectParams{folder.path(), "auto"});
  engine.client->call<wire::LoadResult>("load", load_params(folder.path(), 1, facts.identity));
  const wire::GenerateResult story = engine.generate(Engine::request("Once", 20));
  BOOST_TEST(story.usage.output_tokens == 20u);
  BOOST_TEST(!story.text->empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
