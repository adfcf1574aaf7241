#include "engine/batch/scheduler.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <memory>
#include <random>
#include <set>

namespace {

using namespace gpumodel::engine::batch;
using gpumodel::engine::kv::kPageTokens;
using gpumodel::engine::kv::PagePool;
using gpumodel::engine::kv::pages_for;

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
  Scheduler scheduler(pool, {.rows = 100, .logit_rows = 8, .prompt_rows = 64});
  Sequence sequence(pool, 0, prompt_of(150));
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
  Scheduler scheduler(pool, {.rows = 17, .logit_rows = 8, .prompt_rows = 32});
  Sequence first(pool, 0, prompt_of(10));
  Sequence second(pool, 0, prompt_of(40));
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
  Scheduler scheduler(pool, {.rows = 512, .logit_rows = 8, .prompt_rows = 128});
  Sequence old(pool, 0, prompt_of(kPageTokens - 1));
  Sequence young(pool, 0, prompt_of(kPageTokens - 1));
  Sequence late(pool, 0, prompt_of(1));
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

// Sequences of random lengths come, go and are cancelled at random; all contracts are checked at
// each step.
struct Simulation {
  std::mt19937 random;
  StepLimits limits;
  std::int32_t context_tokens;
  PagePool pool;
  Scheduler scheduler;
  std::map<Sequence*, std::size_t> wanted;  // output tokens until it ends
  std::map<Sequence*, std::unique_ptr<Sequence>> alive;
  std::vector<Sequence*> admitted_order;
  std::size_t added = 0, finished = 0, cancelled = 0;

  Simulation(unsigned seed, std::int32_t context, std::int32_t pages)
      : random(seed),
        limits{.rows = 96, .logit_rows = 6, .prompt_rows = 32},
        context_tokens(context),
        pool(pages),
        scheduler(pool, limits) {}

  std::size_t up_to(std::size_t most) { return 1 + random() % most; }

  void add() {
    const auto context = static_cast<std::size_t>(context_tokens);
    const std::size_t prompt = up_to(context - 1);
    auto sequence = std::make_unique<Sequence>(pool, 0, prompt_of(prompt));
    wanted[sequence.get()] = up_to(context - prompt);
    scheduler.add(*sequence);
    alive[sequence.get()] = std::move(sequence);
    ++added;
  }

  void end(Sequence* sequence) {
    scheduler.remove(*sequence);
    wanted.erase(sequence);
    alive.erase(sequence);
  }

  void check(const std::vector<Work>& step) {
    std::size_t rows = 0;
    std::size_t logits = 0;
    std::set<Sequence*> seen;
    std::set<gpumodel::engine::kv::PageId> pages;
    for (const Work& work : step) {
      BOOST_TEST_REQUIRE(seen.insert(work.sequence).second);
      BOOST_TEST_REQUIRE(work.tokens >= 1u);
      rows += work.tokens;
      logits += work.samples;
      const Sequence& sequence = *work.sequence;
      BOOST_TEST_REQUIRE(work.tokens <= sequence.pending_tokens());
      BOOST_TEST_REQUIRE(work.samples == (work.tokens == sequence.pending_tokens()));
      BOOST_TEST_REQUIRE(
          static_cast<std::int64_t>(sequence.pages().size()) >=
          pages_for(static_cast<std::int64_t>(sequence.computed_tokens() + work.tokens)));
      for (const auto page : sequence.pages()) BOOST_TEST_REQUIRE(pages.insert(page).second);
    }
    BOOST_TEST_REQUIRE(rows <= limits.rows);
    BOOST_TEST_REQUIRE(logits <= limits.logit_rows);
    BOOST_TEST_REQUIRE(scheduler.running().size() + scheduler.waiting() == alive.size());
  }

  // One step; whether there was anything to do.
  bool step() {
    const std::vector<Work> work = scheduler.schedule();
    check(work);
    scheduler.commit();
    for (const Work& item : work) {
      if (!item.samples) continue;
      item.sequence->append(2);
      if (item.sequence->output_tokens() < wanted.at(item.sequence)) continue;
      end(item.sequence);
      ++finished;
    }
    return !work.empty();
  }

  void cancel_one() {
    auto victim = alive.begin();
    std::advance(victim, static_cast<std::ptrdiff_t>(random() % alive.size()));
    end(victim->first);
    ++cancelled;
  }
};

BOOST_AUTO_TEST_CASE(loses_and_starves_nobody_under_random_load) {
  std::uint64_t preemptions = 0;
  for (unsigned seed = 0; seed < 20; ++seed) {
    const std::int32_t context = 40 + static_cast<std::int32_t>(seed) * 20;
    // From the least that is allowed, one context, to three of them.
    const auto pages =
        static_cast<std::int32_t>(pages_for(context)) * (1 + static_cast<std::int32_t>(seed % 3));
    Simulation simulation(seed, context, pages);
    for (int tick = 0; tick < 300; ++tick) {
      if (simulation.random() % 3 == 0) simulation.add();
      if (simulation.random() % 40 == 0 && !simulation.alive.empty()) simulation.cancel_one();
      simulation.step();
    }
    std::size_t steps = 0;
    while (!simulation.scheduler.empty()) {
      BOOST_TEST_REQUIRE(simulation.step());  // something runs as long as somebody waits
      BOOST_TEST_REQUIRE(++steps < 200000u);
    }
    BOOST_TEST(simulation.finished + simulation.cancelled == simulation.added);
    BOOST_TEST(simulation.alive.empty());
    BOOST_TEST(simulation.pool.used_pages() == 0);
    preemptions += simulation.scheduler.preemptions();
  }
  BOOST_TEST(preemptions > 0u);  // the load was heavy enough to mean something
}

BOOST_AUTO_TEST_CASE(the_oldest_always_goes_on) {
  PagePool pool(static_cast<std::int32_t>(pages_for(200)));
  Scheduler scheduler(pool, {.rows = 64, .logit_rows = 4, .prompt_rows = 32});
  Sequence oldest(pool, 0, prompt_of(10));
  scheduler.add(oldest);
  std::vector<std::unique_ptr<Sequence>> others;
  while (oldest.tokens().size() < 200) {
    others.push_back(std::make_unique<Sequence>(pool, 1, prompt_of(60)));
    scheduler.add(*others.back());
    const std::size_t before = oldest.tokens().size();
    run_step(scheduler);
    BOOST_TEST_REQUIRE(oldest.tokens().size() == before + 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
