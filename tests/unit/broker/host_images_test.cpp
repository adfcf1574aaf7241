#include "broker/host_images.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

using namespace gpumodel;
using broker::HostImages;

namespace {

constexpr core::WeightsId kWeights{7};
constexpr std::uint64_t kBytes = 1u << 20;

std::uint64_t size_of(int fd) {
  struct stat info {};
  BOOST_REQUIRE(::fstat(fd, &info) == 0);
  return static_cast<std::uint64_t>(info.st_size);
}

std::uint64_t blocks_of(int fd) {
  struct stat info {};
  BOOST_REQUIRE(::fstat(fd, &info) == 0);
  return static_cast<std::uint64_t>(info.st_blocks);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(host_images)

BOOST_AUTO_TEST_CASE(an_image_has_its_size_and_cannot_grow) {
  HostImages images;
  const auto image = images.create(kWeights, kBytes);
  BOOST_REQUIRE(image.has_value());
  BOOST_TEST(image->bytes == kBytes);
  BOOST_TEST(size_of(image->fd.get()) == kBytes);
  BOOST_TEST((::fcntl(image->fd.get(), F_GET_SEALS) & F_SEAL_GROW) != 0);
  BOOST_TEST(::ftruncate(image->fd.get(), static_cast<off_t>(kBytes + 1)) != 0);
  BOOST_TEST((::fcntl(image->fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

BOOST_AUTO_TEST_CASE(only_a_complete_image_is_handed_out_with_what_was_written) {
  HostImages images;
  BOOST_TEST(!images.hand_out(kWeights).has_value());
  const auto filled = images.create(kWeights, kBytes);
  BOOST_TEST(!images.hand_out(kWeights).has_value());
  BOOST_REQUIRE(::pwrite(filled->fd.get(), "weights", 7, 0) == 7);
  images.complete(kWeights, 42);
  const auto used = images.hand_out(kWeights);
  BOOST_REQUIRE(used.has_value());
  BOOST_TEST(used->checksum == 42u);
  BOOST_TEST(!used->verify);
  char text[8] = {};
  BOOST_REQUIRE(::pread(used->fd.get(), text, 7, 0) == 7);
  BOOST_TEST(std::string(text) == "weights");
}

BOOST_AUTO_TEST_CASE(a_doubted_image_is_verified_once) {
  HostImages images;
  images.create(kWeights, kBytes);
  images.complete(kWeights, 42);
  images.doubt_all();
  BOOST_TEST(images.hand_out(kWeights)->verify);
  BOOST_TEST(images.hand_out(kWeights)->verify);  // until somebody has
  images.verified(kWeights);
  BOOST_TEST(!images.hand_out(kWeights)->verify);
}

BOOST_AUTO_TEST_CASE(a_dropped_image_gives_its_memory_back_though_an_engine_has_it_open) {
  HostImages images;
  const auto image = images.create(kWeights, kBytes);
  const std::string bytes(kBytes, 'x');
  BOOST_REQUIRE(::pwrite(image->fd.get(), bytes.data(), bytes.size(), 0) ==
                static_cast<ssize_t>(kBytes));
  BOOST_TEST(blocks_of(image->fd.get()) != 0u);
  images.drop(kWeights);
  BOOST_TEST(size_of(image->fd.get()) == 0u);
  BOOST_TEST(blocks_of(image->fd.get()) == 0u);
  images.drop(kWeights);  // again does nothing
  BOOST_TEST(!images.hand_out(kWeights).has_value());
}

BOOST_AUTO_TEST_CASE(a_new_image_takes_the_place_of_the_old_one) {
  HostImages images;
  const auto old = images.create(kWeights, kBytes);
  images.complete(kWeights, 1);
  images.create(kWeights, kBytes);
  BOOST_TEST(size_of(old->fd.get()) == 0u);
  BOOST_TEST(!images.hand_out(kWeights).has_value());
}

BOOST_AUTO_TEST_CASE(images_add_up_without_those_that_are_left_out) {
  HostImages images;
  images.create(kWeights, kBytes);
  images.create({8}, 2 * kBytes);
  BOOST_TEST(images.bytes_without({}) == 3 * kBytes);
  BOOST_TEST(images.bytes_without({kWeights}) == 2 * kBytes);
}

BOOST_AUTO_TEST_SUITE_END()
