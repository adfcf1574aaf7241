#include "engine/batch/scheduler.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <vector>

namespace {

using namespace gpumodel::engine::batch;
namespace kv = gpumodel::engine::kv;
using kv::kPageTokens;
using kv::PagePool;
using kv::pages_for;

std::vector<std::int32_t> prompt_of(std::size_t tokens) {
  return std::vector<std::int32_t>(tokens, 1);
}

// Runs a step as an engine does; returns the sequences that got a token.
std::vector<Sequence*> run_step(Scheduler& scheduler) {
  std::vector<Sequence*> sampled;
  for (const Work& work : scheduler.schedule())
    if (work.samples) sampled.push_back(work.sequence);
  scheduler.commit();
  for (Sequence* sequence : sampled) sequence->append(2);
  return sampled;
}

BOOST_AUTO_TEST_SUITE(scheduler)

BOOST_AUTO_TEST_CASE(a_long_prompt_runs_in_chunks_and_samples_once) {
  PagePool pool(100);
  Scheduler scheduler(pool, nullptr, {.rows = 64, .logit_rows = 8, .prompt_rows = 32});
  Sequence sequence(pool, {}, 0, prompt_of(150));
  scheduler.add(sequence);
  std::vector<std::size_t> chunks;
  for (bool sampled = false; !sampled;) {
    const auto& step = scheduler.schedule();
    BOOST_TEST_REQUIRE(step.size() == 1u);
    chunks.push_back(step.front().tokens);
    sampled = step.front().samples;
    scheduler.commit();
  }
  BOOST_TEST(chunks == (std::vector<std::size_t>{64, 64, 22}), boost::test_tools::per_element());
  scheduler.remove(sequence);
  BOOST_TEST(scheduler.empty());
  BOOST_TEST(pool.used_pages() == 0);
}

BOOST_AUTO_TEST_CASE(decodes_go_first_and_prompts_get_what_is_left) {
  PagePool pool(100);
  Scheduler scheduler(pool, nullptr, {.rows = 17, .logit_rows = 8, .prompt_rows = 32});
  Sequence first(pool, {}, 0, prompt_of(10));
  Sequence second(pool, {}, 0, prompt_of(40));
  scheduler.add(first);
  run_step(scheduler);
  scheduler.add(second);
  const auto& step = scheduler.schedule();
  BOOST_TEST_REQUIRE(step.size() == 2u);
  BOOST_TEST(step[0].sequence == &first);
  BOOST_TEST(step[0].samples);
  BOOST_TEST(step[1].sequence == &second);
  BOOST_TEST(step[1].tokens == 16u);
  BOOST_TEST(!step[1].samples);
}

BOOST_AUTO_TEST_CASE(preempts_the_youngest_and_readmits_it_first) {
  PagePool pool(4);
  Scheduler scheduler(pool, nullptr, {.rows = 512, .logit_rows = 8, .prompt_rows = 128});
  Sequence old(pool, {}, 0, prompt_of(kPageTokens - 1));
  Sequence young(pool, {}, 0, prompt_of(kPageTokens - 1));
  Sequence late(pool, {}, 0, prompt_of(1));
  scheduler.add(old);
  scheduler.add(young);
  for (int step = 0; step < 2 + kPageTokens; ++step) run_step(scheduler);
  BOOST_TEST(scheduler.preemptions() == 0u);
  scheduler.add(late);
  std::size_t steps = 0;
  while (scheduler.preemptions() == 0 && ++steps < 200) run_step(scheduler);
  BOOST_TEST(scheduler.preemptions() == 1u);
  BOOST_TEST(young.computed_tokens() == 0u);
  BOOST_TEST(young.pages().empty());
  const std::size_t young_tokens = young.tokens().size();
  scheduler.remove(old);
  const auto sampled = run_step(scheduler);
  BOOST_TEST_REQUIRE(!sampled.empty());
  BOOST_TEST(sampled.front() == &young);
  BOOST_TEST(young.tokens().size() == young_tokens + 1);
  scheduler.remove(young);
  scheduler.remove(late);
  BOOST_TEST(pool.used_pages() == 0);
}

BOOST_AUTO_TEST_CASE(a_prompt_alone_has_the_whole_step) {
  PagePool pool(100);
  Scheduler scheduler(pool, nullptr, {.rows = 100, .logit_rows = 8, .prompt_rows = 32});
  Sequence sequence(pool, {}, 0, prompt_of(150));
  scheduler.add(sequence);
  BOOST_TEST(scheduler.schedule().front().tokens == 100u);
}

BOOST_AUTO_TEST_CASE(uids_share_the_rows_for_prompts) {
  PagePool pool(100);
  Scheduler scheduler(pool, nullptr, {.rows = 100, .logit_rows = 8, .prompt_rows = 32});
  Sequence first(pool, {.uid = 1}, 0, prompt_of(500));
  Sequence second(pool, {.uid = 1}, 0, prompt_of(500));
  Sequence other(pool, {.uid = 2}, 0, prompt_of(30));
  for (Sequence* sequence : {&first, &second, &other}) scheduler.add(*sequence);
  const auto& step = scheduler.schedule();
  BOOST_TEST_REQUIRE(step.size() == 2u);
  BOOST_TEST(step[0].sequence == &first);
  BOOST_TEST(step[0].tokens == 70u);
  BOOST_TEST(step[1].sequence == &other);
  BOOST_TEST(step[1].tokens == 30u);
}

BOOST_AUTO_TEST_CASE(preempts_the_youngest_of_the_uid_with_the_most) {
  PagePool pool(5);
  Scheduler scheduler(pool, nullptr, {.rows = 512, .logit_rows = 8, .prompt_rows = 128});
  Sequence first(pool, {.uid = 1}, 0, prompt_of(3));
  Sequence second(pool, {.uid = 1}, 0, prompt_of(2));
  Sequence other(pool, {.uid = 2}, 0, prompt_of(1));
  for (Sequence* sequence : {&first, &second, &other}) {
    scheduler.add(*sequence);
    run_step(scheduler);
  }
  while (scheduler.preemptions() == 0) run_step(scheduler);
  BOOST_TEST(second.pages().empty());
  BOOST_TEST(!other.pages().empty());
}

BOOST_AUTO_TEST_CASE(drafts_fill_rows_that_nobody_wants) {
  PagePool pool(100);
  Scheduler scheduler(pool, nullptr,
                      {.rows = 512, .logit_rows = 8, .prompt_rows = 128, .rows_with_drafts = 6});
  Sequence first(pool, {}, 0, prompt_of(3));
  Sequence second(pool, {}, 0, prompt_of(3));
  scheduler.add(first);
  scheduler.add(second);
  run_step(scheduler);
  const std::int32_t draft[] = {2, 2, 2};
  first.set_draft(draft);
  second.set_draft(draft);
  const auto& step = scheduler.schedule();
  BOOST_TEST_REQUIRE(step.size() == 2u);
  BOOST_TEST(step[0].drafted == 3u);
  BOOST_TEST(step[1].drafted == 1u);
  scheduler.commit();
  BOOST_TEST(first.pending_tokens() == 0u);
  first.append(2);
  scheduler.accept(first, 1);
  first.append(7);
  BOOST_TEST(first.pending_tokens() == 1u);
}

BOOST_AUTO_TEST_CASE(what_another_has_computed_is_not_computed_again) {
  PagePool pool(100);
  kv::PrefixCache cache(pool);
  Scheduler scheduler(pool, &cache, {.rows = 512, .logit_rows = 8, .prompt_rows = 128});
  Sequence first(pool, {}, 0, prompt_of(3 * kPageTokens));
  scheduler.add(first);
  run_step(scheduler);
  Sequence second(pool, {}, 0, prompt_of(3 * kPageTokens));
  Sequence stranger(pool, {.uid = 1}, 0, prompt_of(3 * kPageTokens));
  scheduler.add(second);
  scheduler.add(stranger);
  scheduler.schedule();
  BOOST_TEST(second.cached_tokens() == 2u * kPageTokens);
  BOOST_TEST(second.pages()[0] == first.pages()[0]);
  BOOST_TEST(second.pages()[2] != first.pages()[2]);
  BOOST_TEST(stranger.cached_tokens() == 0u);
  scheduler.commit();
  for (Sequence* sequence : {&first, &second, &stranger}) scheduler.remove(*sequence);
  BOOST_TEST(pool.available_pages() == 100);
}

BOOST_AUTO_TEST_CASE(what_a_failed_step_left_is_not_found) {
  PagePool pool(100);
  kv::PrefixCache cache(pool);
  Scheduler scheduler(pool, &cache, {.rows = 512, .logit_rows = 8, .prompt_rows = 128});
  Sequence first(pool, {}, 0, prompt_of(3 * kPageTokens));
  scheduler.add(first);
  scheduler.schedule();
  scheduler.abandon(first);
  BOOST_TEST(scheduler.empty());
  BOOST_TEST(cache.pages() == 0u);
  BOOST_TEST(pool.used_pages() == 0);
}

BOOST_AUTO_TEST_CASE(the_oldest_always_goes_on) {
  PagePool pool(static_cast<std::int32_t>(pages_for(200)));
  Scheduler scheduler(pool, nullptr, {.rows = 64, .logit_rows = 4, .prompt_rows = 32});
  Sequence oldest(pool, {}, 0, prompt_of(10));
  scheduler.add(oldest);
  std::vector<std::unique_ptr<Sequence>> others;
  while (oldest.tokens().size() < 200) {
    others.push_back(std::make_unique<Sequence>(pool, kv::PrefixOwner{.uid = 1}, 0, prompt_of(60)));
    scheduler.add(*others.back());
    const std::size_t before = oldest.tokens().size();
    run_step(scheduler);
    BOOST_TEST_REQUIRE(oldest.tokens().size() == before + 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
