#include "core/host_cache.hpp"

#include <boost/test/unit_test.hpp>

#include "box.hpp"

namespace gpumodel::test {
namespace {

CoreConfig with_cache(Bytes bytes) {
  CoreConfig config;
  config.host_cache_bytes = bytes;
  return config;
}

struct CachedBox : Box {
  CachedBox() : Box(with_cache(120)) {}
  bool complete(ModelId model) const {
    const auto found = world.images().find(WeightsId{1000 + model.value});
    return found != world.images().end() && found->second.complete;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(host_cache)

BOOST_AUTO_TEST_CASE(only_unused_images_go_and_the_oldest_first) {
  HostCache cache;
  cache.set_capacity(100);
  cache.add(WeightsId{1}, 40, Time{1});
  cache.add(WeightsId{2}, 40, Time{2});
  BOOST_TEST(!cache.room_for(30).has_value());
  for (const std::uint64_t id : {1, 2})
    cache.find(WeightsId{id})->state = HostCache::Image::State::complete;
  cache.unuse(WeightsId{2}, Time{3});
  BOOST_TEST((cache.room_for(30) == std::vector{WeightsId{2}}));
  cache.unuse(WeightsId{1}, Time{4});
  BOOST_TEST((cache.room_for(30) == std::vector{WeightsId{2}}));
  BOOST_TEST((cache.room_for(100) == std::vector{WeightsId{2}, WeightsId{1}}));
  BOOST_TEST(cache.room_for(20)->empty());
  BOOST_TEST(!cache.room_for(101).has_value());
  cache.check();
}

BOOST_FIXTURE_TEST_CASE(a_load_fills_an_image_and_the_next_one_uses_it, CachedBox) {
  const ModelId model = world.model(sized(60));
  const RequestId first = world.acquire(alice, {model});
  world.answer(0);
  BOOST_TEST((told<Load>()->image == HostImage::fill));
  world.settle();
  BOOST_TEST(complete(model));
  world.release(world.lease_of(first));
  world.settle();
  BOOST_TEST(complete(model));  // a demotion copies nothing
  world.acquire(bob, {model});
  BOOST_TEST((told<Load>()->image == HostImage::use));
}

BOOST_FIXTURE_TEST_CASE(an_image_survives_its_engine_and_a_torn_one_does_not, CachedBox) {
  const ModelId model = world.model(sized(60));
  const LeaseId lease = held(alice, model);
  world.lose(gpu, 1s);
  BOOST_TEST(complete(model));
  world.release(lease);
  const ModelId other = world.model(sized(50));
  world.acquire(bob, {other});
  world.advance(1s);
  world.answer(0);
  BOOST_TEST((told<Load>()->image == HostImage::fill));
  world.lose(gpu, 1s);
  BOOST_TEST(last<DropImage>() == 1U);
  BOOST_TEST(complete(model));
  BOOST_TEST(!complete(other));
}

BOOST_FIXTURE_TEST_CASE(a_load_that_did_not_fill_its_image_drops_it, CachedBox) {
  world.acquire(alice, {world.model(sized(60))});
  world.answer(0);
  world.load_with(0, 0, false);
  BOOST_TEST(last<DropImage>() == 1U);
  BOOST_TEST(world.core().snapshot(world.now()).host_cache.used_bytes == 0U);
}

BOOST_FIXTURE_TEST_CASE(what_does_not_fit_is_loaded_without_an_image, CachedBox) {
  held(alice, world.model(sized(50)));
  const RequestId second = world.acquire(alice, {world.model(sized(50))});
  world.settle();
  BOOST_REQUIRE(world.granted(second));
  // Both images are mapped by what is resident: neither goes for a third.
  const DeviceId other = world.device(100);
  ModelSpec spec = sized(30);
  spec.devices = {other};
  world.acquire(bob, {world.model(spec)});
  world.answer(0);
  BOOST_TEST((told<Load>()->image == HostImage::none));
}

BOOST_FIXTURE_TEST_CASE(pressure_drops_what_nothing_uses, CachedBox) {
  const ModelId kept_one = world.model(sized(50));
  const LeaseId lease = held(alice, kept_one);
  const ModelId gone = world.model(sized(40));
  world.release(held(alice, gone));
  world.settle();
  world.host_pressure(1000);
  BOOST_TEST(last<DropImage>() == 1U);
  BOOST_TEST(complete(kept_one));
  BOOST_TEST(!complete(gone));
  world.release(lease);
}

BOOST_FIXTURE_TEST_CASE(an_image_that_is_wrong_goes_and_is_made_again, CachedBox) {
  const ModelId model = world.model(sized(60));
  world.release(held(alice, model));
  world.settle();
  world.lose_image(WeightsId{1000 + model.value});
  BOOST_TEST(!complete(model));
  world.acquire(alice, {model});
  BOOST_TEST((told<Load>()->image == HostImage::fill));
}

BOOST_FIXTURE_TEST_CASE(a_smaller_cache_drops_at_once, CachedBox) {
  world.release(held(alice, world.model(sized(60))));
  world.settle();
  world.set_config(with_cache(50));
  BOOST_TEST(last<DropImage>() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test
