// Numbers as JSON writes them, as automata over their characters.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/text/grammar/automaton.hpp"

namespace gpumodel::engine::text::grammar {

// A decimal without exponent: digits have no needless zeros, and zero is not negative.
struct Decimal {
  bool is_negative = false;
  std::string whole;     // "0" or from 1 to 9 on
  std::string fraction;  // does not end in 0

  // Exactly the value; null where the number was not read exactly (an integer beyond 2^53 that is
  // stored as a floating-point number) or has more than 40 digits.
  static std::optional<Decimal> from(const nlohmann::ordered_json& number);
  bool is_integer() const { return fraction.empty(); }
  std::string text() const;
  friend bool operator==(const Decimal&, const Decimal&) = default;
};

// Negative, 0 or positive, as a is below, at or above b.
int compare(const Decimal& a, const Decimal& b);

struct Bound {
  Decimal value;
  bool is_exclusive = false;
};

// What a number must be. All of it together.
struct NumberFacts {
  std::optional<Bound> lower;
  std::optional<Bound> upper;
  std::vector<std::int64_t> multiples_of;      // above 0
  std::vector<std::int64_t> not_multiples_of;  // above 0
  std::vector<Decimal> excluded;

  bool is_free() const {
    return !lower && !upper && multiples_of.empty() && not_multiples_of.empty() && excluded.empty();
  }
  void raise_lower(const Bound& bound);
  void cut_upper(const Bound& bound);
};

// Integers without fraction or exponent. Without an upper bound the digits do not end: the state
// that then remains reads digits for ever (see kMaxIntegerDigits).
Automaton integers(const NumberFacts& facts);

// Numbers with a fraction, of at most 15 digits, whose value is no integer: double precision tells
// all of these apart, so that what is written is what is compared.
Automaton fractions(const NumberFacts& facts);

// Python reads no integer of more than 4,300 digits, and nothing of more than 309 is a double.
inline constexpr std::uint64_t kMaxIntegerDigits = 309;

}  // namespace gpumodel::engine::text::grammar
