// Host images of gpumodel-engine itself: memfds that this test owns as the broker does.
#include <sys/mman.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>

#include "engine_fixture.hpp"
#include "os/fd.hpp"

namespace {

namespace utf = boost::unit_test;
namespace wire = gpumodel::wire;
using gpumodel::os::Fd;
using gpumodel::test::Answer;
using gpumodel::test::demo_model;
using gpumodel::test::Engine;
using gpumodel::test::has_demo_model;
using gpumodel::test::inspect;
using gpumodel::test::kMiB;

Fd make_image(std::uint64_t bytes) {
  Fd fd(::memfd_create("image", MFD_CLOEXEC));
  BOOST_REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0);
  return fd;
}

// An image of the demo model in bf16, and the loads that fill and use it.
struct Image {
  Image() : facts(inspect("bf16")), fd(make_image(facts.image_bytes)) {}

  wire::LoadParams params(std::uint64_t weights, std::string_view mode, bool verify) const {
    wire::LoadParams load = Engine::load_params(weights, "bf16");
    load.image = wire::LoadImage{std::string(mode), facts.image_bytes, checksum, verify};
    return load;
  }
  Answer load(Engine& engine, const wire::LoadParams& load) const {
    return engine.client->wait(engine.client->send("load", load, fd.get()));
  }
  wire::LoadResult fill(Engine& engine, std::uint64_t weights) {
    const auto result =
        load(engine, params(weights, wire::kImageFill, false)).result<wire::LoadResult>();
    BOOST_TEST_REQUIRE(result.image_checksum.has_value());
    checksum = *result.image_checksum;
    return result;
  }
  Answer use(Engine& engine, std::uint64_t weights, bool verify) const {
    return load(engine, params(weights, wire::kImageUse, verify));
  }
  void flip_byte(std::uint64_t offset) const {
    std::uint8_t byte = 0;
    BOOST_REQUIRE(::pread(fd.get(), &byte, 1, static_cast<off_t>(offset)) == 1);
    byte ^= 1;
    BOOST_REQUIRE(::pwrite(fd.get(), &byte, 1, static_cast<off_t>(offset)) == 1);
  }

  wire::InspectResult facts;
  Fd fd;
  std::uint64_t checksum = 0;
};

std::string text_of(Engine& engine, std::uint64_t weights) {
  auto params = Engine::request("Once upon a time", 12);
  params.weights = weights;
  return *engine.generate(params).text;
}

BOOST_AUTO_TEST_SUITE(engine_image, *utf::precondition(has_demo_model))

BOOST_AUTO_TEST_CASE(a_load_fills_an_image_that_the_next_load_uses) {
  Engine engine;
  Image image;
  const wire::LoadResult filled = image.fill(engine, 1);
  const std::string text = text_of(engine, 1);
  wire::UnloadResult unloaded = engine.unload(1);
  BOOST_TEST(unloaded.expected_bytes >= filled.tensor_bytes);
  BOOST_TEST(unloaded.freed_bytes == unloaded.expected_bytes);
  BOOST_TEST(unloaded.residual_bytes == 0u);
  BOOST_TEST(unloaded.resident_bytes < engine.started.resident_bytes + 64 * kMiB);

  const auto used = image.use(engine, 2, false).result<wire::LoadResult>();
  BOOST_TEST(!used.image_checksum.has_value());
  BOOST_TEST(used.tensor_bytes == filled.tensor_bytes);
  BOOST_TEST(text_of(engine, 2) == text);
  unloaded = engine.unload(2);
  BOOST_TEST(unloaded.expected_bytes >= filled.tensor_bytes);
  BOOST_TEST(unloaded.residual_bytes == 0u);
  BOOST_TEST_MESSAGE(
      "from the files, with a fill: " << filled.ms << " ms; from the image: " << used.ms << " ms");
}

BOOST_AUTO_TEST_CASE(an_image_outlives_the_engine_that_filled_it) {
  Image image;
  std::string text;
  {
    Engine first;
    image.fill(first, 1);
    text = text_of(first, 1);
    first.process->signal(SIGKILL);
    BOOST_TEST(first.client->reaches_end());
  }
  Engine second;
  BOOST_TEST(!image.use(second, 1, true).failed());
  BOOST_TEST(text_of(second, 1) == text);
}

BOOST_AUTO_TEST_CASE(two_engines_share_one_image) {
  Image image;
  Engine first;
  image.fill(first, 1);
  Engine second;
  BOOST_TEST(!image.use(second, 1, true).failed());
  BOOST_TEST(first.unload(1).residual_bytes == 0u);
  BOOST_TEST(text_of(second, 1).size() > 10u);
}

BOOST_AUTO_TEST_CASE(a_flipped_byte_is_found_where_it_is_looked_for) {
  Engine engine;
  Image image;
  image.fill(engine, 1);
  engine.unload(1);
  for (const std::uint64_t offset : {std::uint64_t{0}, image.facts.image_bytes / 2 + 1}) {
    image.flip_byte(offset);
    const Answer refused = image.use(engine, 10 + offset, true);
    BOOST_TEST_REQUIRE(refused.failed());
    BOOST_TEST((refused.error().code == wire::Code::model_bad));
    BOOST_TEST(wire::decode_bytes<wire::ImageFault>(refused.error().detail).image);
    image.flip_byte(offset);
    BOOST_TEST(!image.use(engine, 11 + offset, true).failed());
    engine.unload(11 + offset);
  }
  const auto measured = engine.client->call<wire::MeasureResult>("measure", wire::Empty{});
  BOOST_TEST(measured.weights.empty());
}

BOOST_AUTO_TEST_CASE(a_fill_makes_nothing_resident) {
  Engine engine(64 * kMiB);  // the device is too small, and not asked
  Image image;
  const wire::FillParams params{7, demo_model(), "bf16", image.facts.identity,
                                image.facts.image_bytes};
  const Answer answer = engine.client->wait(engine.client->send("fill", params, image.fd.get()));
  image.checksum = answer.result<wire::FillResult>().image_checksum;
  BOOST_TEST_REQUIRE(!answer.notifications.empty());
  const auto progress = wire::decode<wire::LoadProgress>(answer.notifications.front().params);
  BOOST_TEST(progress.weights == 7u);
  const auto measured = engine.client->call<wire::MeasureResult>("measure", wire::Empty{});
  BOOST_TEST(measured.weights.empty());
  BOOST_TEST(measured.resident_bytes < engine.started.resident_bytes + 64 * kMiB);
  Engine other;
  const wire::LoadResult loaded = Image().fill(other, 1);
  BOOST_TEST(image.checksum == *loaded.image_checksum);
  BOOST_TEST(!image.use(other, 2, true).failed());
}

BOOST_AUTO_TEST_CASE(an_image_that_cannot_be_is_refused_and_work_goes_on) {
  Engine engine;
  Image image;
  const auto code = [&](const wire::LoadParams& params, const Fd& fd) {
    return engine.client->wait(engine.client->send("load", params, fd.get())).error().code;
  };
  wire::LoadParams params = image.params(1, wire::kImageUse, false);
  BOOST_TEST((code(params, make_image(image.facts.image_bytes - 4096)) == wire::Code::invalid));
  params.image->bytes += 4096;
  BOOST_TEST((code(params, image.fd) == wire::Code::invalid));
  params = image.params(1, "copy", false);
  BOOST_TEST((code(params, image.fd) == wire::Code::invalid));
  params = image.params(1, wire::kImageFill, false);
  params.identity = "another";
  BOOST_TEST((code(params, image.fd) == wire::Code::model_bad));
  BOOST_TEST(!image.load(engine, image.params(1, wire::kImageFill, false)).failed());
  BOOST_TEST(text_of(engine, 1).size() > 10u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
