// Sequences of several uids and leases come, go and are cancelled at random, some with prompts that
// others had before, with drafts of which some hold; all contracts are checked at each step. What a
// page holds is kept beside it, so that nobody can be given another's.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "engine/batch/scheduler.hpp"

namespace {

using namespace gpumodel::engine::batch;
namespace kv = gpumodel::engine::kv;
using kv::kPageTokens;
using kv::pages_for;

struct Simulation {
  struct Held {  // by a slot of a page
    kv::PrefixOwner owner;
    std::size_t position = 0;
    std::int32_t token = -1;
    bool operator==(const Held&) const = default;
  };

  std::mt19937 random;
  StepLimits limits{.rows = 96, .logit_rows = 6, .prompt_rows = 32, .rows_with_drafts = 12};
  std::int32_t context_tokens;
  kv::PagePool pool;
  kv::PrefixCache cache;
  Scheduler scheduler;
  std::map<Sequence*, std::size_t> wanted;  // output tokens until it ends
  std::map<Sequence*, std::unique_ptr<Sequence>> alive;
  std::map<std::pair<kv::PageId, std::size_t>, Held> held;
  std::size_t added = 0, finished = 0, cancelled = 0, accepted = 0, found = 0;

  Simulation(unsigned seed, std::int32_t context, std::int32_t pages)
      : random(seed),
        context_tokens(context),
        pool(pages),
        cache(pool),
        scheduler(pool, seed % 4 == 3 ? nullptr : &cache, limits) {}

  std::size_t up_to(std::size_t most) { return 1 + random() % most; }

  // One of three texts up to some token, and anything from there on.
  std::vector<std::int32_t> prompt(std::size_t tokens) {
    const auto text = static_cast<std::int32_t>(random() % 3);
    const std::size_t common = random() % (tokens + 1);
    std::vector<std::int32_t> prompt;
    for (std::size_t i = 0; i < tokens; ++i)
      prompt.push_back(i < common ? 1000 * text + static_cast<std::int32_t>(i)
                                  : static_cast<std::int32_t>(random() % 50));
    return prompt;
  }

  void add() {
    const auto context = static_cast<std::size_t>(context_tokens);
    const std::size_t tokens = up_to(context - 1);
    const kv::PrefixOwner owner{static_cast<std::uint32_t>(random() % 3), random() % 2};
    auto sequence = std::make_unique<Sequence>(pool, owner, random() % 2, prompt(tokens));
    wanted[sequence.get()] = up_to(context - tokens);
    scheduler.add(*sequence);
    alive[sequence.get()] = std::move(sequence);
    ++added;
  }

  void end(Sequence* sequence) {
    found += sequence->cached_tokens();
    scheduler.remove(*sequence);
    wanted.erase(sequence);
    alive.erase(sequence);
  }

  void write(const Sequence& sequence, std::size_t position, std::int32_t token) {
    const kv::PageId page = sequence.pages()[position / kPageTokens];
    BOOST_TEST_REQUIRE(pool.holders(page) == 1);  // nobody else's, nor the cache's
    held[{page, position % kPageTokens}] = {sequence.owner(), position, token};
  }

  void check_and_write(const Work& work) {
    const Sequence& sequence = *work.sequence;
    BOOST_TEST_REQUIRE(work.tokens >= 1u);
    BOOST_TEST_REQUIRE(work.tokens <= sequence.pending_tokens());
    BOOST_TEST_REQUIRE(work.samples == (work.tokens == sequence.pending_tokens()));
    BOOST_TEST_REQUIRE((work.drafted == 0 || work.samples));
    BOOST_TEST_REQUIRE(work.drafted <= sequence.draft().size());
    const std::size_t end = sequence.computed_tokens() + work.tokens;
    BOOST_TEST_REQUIRE(static_cast<std::int64_t>(sequence.pages().size()) >=
                       pages_for(static_cast<std::int64_t>(end + work.drafted)));
    for (std::size_t i = 0; i < sequence.computed_tokens(); ++i) {
      const Held& is = held[{sequence.pages()[i / kPageTokens], i % kPageTokens}];
      BOOST_TEST_REQUIRE((is == Held{sequence.owner(), i, sequence.tokens()[i]}));
    }
    for (std::size_t i = sequence.computed_tokens(); i < end; ++i)
      write(sequence, i, sequence.tokens()[i]);
    for (std::size_t i = 0; i < work.drafted; ++i) write(sequence, end + i, sequence.draft()[i]);
  }

  void check(const std::vector<Work>& step) {
    std::size_t rows = 0, logits = 0;
    std::set<Sequence*> seen;
    for (const Work& work : step) {
      BOOST_TEST_REQUIRE(seen.insert(work.sequence).second);
      rows += work.tokens + work.drafted;
      logits += work.samples ? 1 + work.drafted : 0;
      check_and_write(work);
    }
    BOOST_TEST_REQUIRE(rows <= limits.rows);
    BOOST_TEST_REQUIRE(logits <= limits.logit_rows);
    BOOST_TEST_REQUIRE(scheduler.running().size() + scheduler.waiting() == alive.size());
  }

  bool append(Sequence* sequence, std::int32_t token) {
    sequence->append(token);
    if (sequence->output_tokens() < wanted.at(sequence)) return true;
    end(sequence);
    ++finished;
    return false;
  }

  void sample(const Work& work) {
    const std::vector<std::int32_t> draft(work.sequence->draft().begin(),
                                          work.sequence->draft().end());
    std::size_t right = random() % (work.drafted + 1);
    for (std::size_t i = 0; i < right; ++i) {
      if (!append(work.sequence, draft[i])) return;
      scheduler.accept(*work.sequence, 1);
      ++accepted;
    }
    append(work.sequence, 7777);
  }

  // One step; whether there was anything to do.
  bool step() {
    for (Sequence* sequence : scheduler.running()) {
      const std::size_t room = wanted.at(sequence) - sequence->output_tokens();
      std::vector<std::int32_t> draft(random() % std::min<std::size_t>(room, 6));
      for (std::int32_t& token : draft) token = static_cast<std::int32_t>(random() % 50);
      sequence->set_draft(draft);
    }
    const std::vector<Work> work = scheduler.schedule();
    check(work);
    scheduler.commit();
    for (const Work& item : work)
      if (item.samples) sample(item);
    return !work.empty();
  }

  void cancel_one() {
    auto victim = alive.begin();
    std::advance(victim, static_cast<std::ptrdiff_t>(random() % alive.size()));
    end(victim->first);
    ++cancelled;
  }
};

BOOST_AUTO_TEST_SUITE(scheduler_simulation)

BOOST_AUTO_TEST_CASE(loses_and_starves_nobody_and_gives_nobody_another_s) {
  std::uint64_t preemptions = 0, accepted = 0, found = 0;
  for (unsigned seed = 0; seed < 24; ++seed) {
    const std::int32_t context = 40 + static_cast<std::int32_t>(seed) * 16;
    // From the least that is allowed, one context, to three of them.
    const auto pages =
        static_cast<std::int32_t>(pages_for(context)) * (1 + static_cast<std::int32_t>(seed % 3));
    Simulation simulation(seed, context, pages);
    for (int tick = 0; tick < 300; ++tick) {
      if (simulation.random() % 3 == 0) simulation.add();
      if (simulation.random() % 40 == 0 && !simulation.alive.empty()) simulation.cancel_one();
      if (simulation.random() % 50 == 0) simulation.cache.forget_adapter(1);
      simulation.step();
    }
    std::size_t steps = 0;
    while (!simulation.scheduler.empty()) {
      BOOST_TEST_REQUIRE(simulation.step());  // something runs as long as somebody waits
      BOOST_TEST_REQUIRE(++steps < 200000u);
    }
    BOOST_TEST(simulation.finished + simulation.cancelled == simulation.added);
    BOOST_TEST(simulation.alive.empty());
    BOOST_TEST(simulation.pool.available_pages() == pages);
    BOOST_TEST(static_cast<std::size_t>(simulation.pool.used_pages()) == simulation.cache.pages());
    preemptions += simulation.scheduler.preemptions();
    accepted += simulation.accepted;
    found += simulation.found;
  }
  // The load was heavy enough to mean something.
  BOOST_TEST(preemptions > 0u);
  BOOST_TEST(accepted > 0u);
  BOOST_TEST(found > 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
