// Random events against the core, and the proof that they would notice broken rules.
#include "simulation.hpp"

#include <boost/test/unit_test.hpp>

#include "core/mutation.hpp"
#include "shares.hpp"

namespace gpumodel::test {
namespace {

constexpr std::size_t kLength = 400;

// Slower builds (sanitizers) run fewer of the same seeds.
#ifdef GPUMODEL_SANITIZED
constexpr std::uint64_t kEvents = 100'000;
constexpr std::uint64_t kShareSeeds = 10;
#else
constexpr std::uint64_t kEvents = 1'000'000;
constexpr std::uint64_t kShareSeeds = 100;
#endif

struct Mutated {
  explicit Mutated(core::Mutation mutation) { core::active_mutation = mutation; }
  ~Mutated() { core::active_mutation = core::Mutation::none; }
  Mutated(const Mutated&) = delete;
  Mutated& operator=(const Mutated&) = delete;
};

// The first seed of [first, end) that fails.
std::optional<std::uint64_t> find_failure(std::uint64_t first, std::uint64_t end) {
  for (std::uint64_t seed = first; seed < end; ++seed) {
    if (run_trace(seed, make_trace(seed, kLength)).violation) return seed;
  }
  return std::nullopt;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simulation)

BOOST_AUTO_TEST_CASE(random_events_break_no_rule) {
  std::uint64_t events = 0;
  std::uint64_t seed = 0;
  while (events < kEvents) {
    const Trace trace = make_trace(++seed, kLength);
    const Outcome outcome = run_trace(seed, trace);
    events += outcome.events;
    if (outcome.violation) BOOST_FAIL(describe(seed, shrink(seed, trace)));
  }
  BOOST_TEST(events >= kEvents);
  BOOST_TEST_MESSAGE(events << " events of " << seed << " seeds");
}

BOOST_AUTO_TEST_CASE(shares_of_equal_users_differ_by_at_most_one_turn) {
  for (std::uint64_t seed = 1; seed <= kShareSeeds; ++seed) {
    const auto unfair = unfair_shares(seed);
    BOOST_TEST_CONTEXT("seed " << seed) { BOOST_TEST(unfair.value_or("") == ""); }
  }
}

BOOST_AUTO_TEST_CASE(every_broken_rule_is_noticed) {
  for (int i = 1; i < static_cast<int>(core::Mutation::count); ++i) {
    const Mutated mutated(static_cast<core::Mutation>(i));
    BOOST_TEST_CONTEXT("mutation " << i) {
      // Shares notice at once what traces never do; few rules need many traces.
      bool noticed = find_failure(1, 300).has_value();
      for (std::uint64_t seed = 1; !noticed && seed <= 20; ++seed)
        noticed = unfair_shares(seed).has_value();
      BOOST_TEST((noticed || find_failure(300, 1'000).has_value()));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_failing_trace_is_shrunk_to_its_cause) {
  const Mutated mutated(core::Mutation::starve_head);
  const auto seed = find_failure(1, 1'000);
  BOOST_REQUIRE(seed.has_value());
  const Trace small = shrink(*seed, make_trace(*seed, kLength));
  BOOST_TEST(run_trace(*seed, small).violation.has_value());
  BOOST_TEST(!small.empty());
  BOOST_TEST(small.size() <= 30U);
  for (std::size_t i = 0; i < small.size(); ++i) {
    Trace less = small;
    less.erase(less.begin() + static_cast<std::ptrdiff_t>(i));
    BOOST_TEST(!run_trace(*seed, less).violation.has_value());
  }
  BOOST_TEST_MESSAGE(describe(*seed, small));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gpumodel::test
