#include "engine/text/grammar/decimal.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "engine/text/grammar/refusal.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

using State = Automaton::State;
using Edge = Automaton::Edge;

constexpr std::size_t kMaxDigits = 40;
constexpr std::size_t kMaxFractionDigits = 15;
constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

enum class Order { less, equal, greater };

// Builds automata by giving states names.
class Builder {
 public:
  std::size_t add(bool accepts) {
    states_.push_back({accepts, {}});
    return states_.size() - 1;
  }
  void connect(std::size_t from, char first, char last, std::size_t to) {
    auto& edges = states_[from].edges;
    const auto place = std::find_if(edges.begin(), edges.end(), [&](const Edge& edge) {
      return edge.range.first > static_cast<char32_t>(first);
    });
    edges.insert(place, {{static_cast<char32_t>(first), static_cast<char32_t>(last)},
                         static_cast<std::int32_t>(to)});
  }
  Automaton built() { return Automaton(std::move(states_)).reduced(); }

 private:
  std::vector<State> states_;
};

// Integers and decimals without sign whose value stands to `limit` as `wanted` says. Leading zeros
// are none; other rules of form are the caller's.
class Comparison {
 public:
  Comparison(const Decimal& limit, std::vector<Order> wanted)
      : limit_(limit), wanted_(std::move(wanted)) {}

  Automaton automaton() {
    const std::size_t start = builder_.add(false);
    for (Order order : {Order::less, Order::equal, Order::greater})
      decided_fraction_.push_back(add_loop(accepts(order)));
    longer_ = builder_.add(accepts(Order::greater));
    builder_.connect(longer_, '0', '9', longer_);
    builder_.connect(longer_, '.', '.', fraction_of(Order::greater));
    add_equal_fraction();
    // In the whole part: how many digits were read, and how they compare with as many of the limit.
    const std::size_t count = limit_.whole.size();
    std::vector<std::array<std::size_t, 3>> read(count + 1);
    for (std::size_t i = 1; i <= count; ++i)
      for (std::size_t order = 0; order < 3; ++order) read[i][order] = whole_state(i, order);
    read[0] = {start, start, start};
    for (std::size_t i = 0; i <= count; ++i)
      for (std::size_t order = 0; order < 3; ++order)
        if (i > 0 || order == 1) connect_digits(read, i, order);
    return builder_.built();
  }

 private:
  bool accepts(Order order) const {
    return std::find(wanted_.begin(), wanted_.end(), order) != wanted_.end();
  }
  std::size_t fraction_of(Order order) const {
    return decided_fraction_[static_cast<std::size_t>(order)];
  }
  std::size_t add_loop(bool does_accept) {
    const std::size_t state = builder_.add(does_accept);
    builder_.connect(state, '0', '9', state);
    return state;
  }

  // The whole part was the limit's; now the fraction decides.
  void add_equal_fraction() {
    const std::size_t count = limit_.fraction.size();
    std::vector<std::size_t> read;
    for (std::size_t i = 0; i <= count; ++i)
      read.push_back(builder_.add(accepts(i < count ? Order::less : Order::equal)));
    for (std::size_t i = 0; i < count; ++i)
      connect_comparing(read[i], limit_.fraction[i], fraction_of(Order::less), read[i + 1],
                        fraction_of(Order::greater));
    builder_.connect(read[count], '0', '0', read[count]);
    builder_.connect(read[count], '1', '9', fraction_of(Order::greater));
    equal_fraction_ = read[0];
  }

  std::size_t whole_state(std::size_t digits, std::size_t order) {
    const Order result = digits < limit_.whole.size() ? Order::less : static_cast<Order>(order);
    const bool is_equal = result == Order::equal;
    // "12" beside a limit of 12.5 is less.
    const bool is_below = is_equal && !limit_.fraction.empty();
    const std::size_t state = builder_.add(accepts(is_below ? Order::less : result));
    builder_.connect(state, '.', '.', is_equal ? equal_fraction_ : fraction_of(result));
    return state;
  }

  void connect_digits(const std::vector<std::array<std::size_t, 3>>& read, std::size_t digits,
                      std::size_t order) {
    const std::size_t from = read[digits][order];
    if (digits == limit_.whole.size()) {
      builder_.connect(from, '0', '9', longer_);
      return;
    }
    const auto& next = read[digits + 1];
    if (static_cast<Order>(order) == Order::equal) {
      connect_comparing(from, limit_.whole[digits], next[0], next[1], next[2]);
    } else {
      builder_.connect(from, '0', '9', next[order]);
    }
  }

  void connect_comparing(std::size_t from, char digit, std::size_t less, std::size_t equal,
                         std::size_t greater) {
    if (digit > '0') builder_.connect(from, '0', static_cast<char>(digit - 1), less);
    builder_.connect(from, digit, digit, equal);
    if (digit < '9') builder_.connect(from, static_cast<char>(digit + 1), '9', greater);
  }

  const Decimal& limit_;
  std::vector<Order> wanted_;
  Builder builder_;
  std::vector<std::size_t> decided_fraction_;
  std::size_t equal_fraction_ = 0;
  std::size_t longer_ = 0;
};

Automaton integer_form() {
  Builder form;
  const std::size_t start = form.add(false);
  const std::size_t zero = form.add(true);
  const std::size_t more = form.add(true);
  form.connect(start, '0', '0', zero);
  form.connect(start, '1', '9', more);
  form.connect(more, '0', '9', more);
  return form.built();
}

// At most 15 digits, and one of the fraction is not 0.
Automaton fraction_form() {
  Builder form;
  const std::size_t start = form.add(false);
  std::vector<std::size_t> whole;
  std::vector<std::array<std::size_t, 2>> fraction(kMaxFractionDigits + 1);
  for (std::size_t i = 0; i <= kMaxFractionDigits; ++i) {
    whole.push_back(form.add(false));
    fraction[i] = {form.add(false), form.add(true)};
  }
  const std::size_t zero = form.add(false);
  form.connect(start, '0', '0', zero);
  form.connect(start, '1', '9', whole[1]);
  form.connect(zero, '.', '.', fraction[1][0]);
  for (std::size_t i = 1; i < kMaxFractionDigits; ++i) {
    form.connect(whole[i], '.', '.', fraction[i][0]);
    form.connect(whole[i], '0', '9', whole[i + 1]);
    form.connect(fraction[i][0], '0', '0', fraction[i + 1][0]);
    form.connect(fraction[i][0], '1', '9', fraction[i + 1][1]);
    form.connect(fraction[i][1], '0', '9', fraction[i + 1][1]);
  }
  return form.built();
}

// Digits whose value is a multiple of `divisor`.
Automaton multiples(std::int64_t divisor) {
  if (static_cast<std::uint64_t>(divisor) >= kMaxStates)
    throw Refusal(Refusal::Kind::too_large, "multipleOf: more than " + std::to_string(kMaxStates));
  Builder builder;
  for (std::int64_t i = 0; i < divisor; ++i) builder.add(i == 0);
  for (std::int64_t i = 0; i < divisor; ++i)
    for (char digit = '0'; digit <= '9'; ++digit)
      builder.connect(static_cast<std::size_t>(i), digit, digit,
                      static_cast<std::size_t>((i * 10 + (digit - '0')) % divisor));
  // The empty text counts here; forms exclude it.
  return builder.built();
}

// Texts without sign of the right form, whose value with the sign obeys the bounds.
Automaton magnitudes(Automaton form, bool is_negative, const NumberFacts& facts) {
  const auto keep = [&](const Decimal& limit, bool is_lower, bool is_exclusive) {
    // -x >= -3 is x <= 3; what has the other sign is decided already.
    if (limit.is_negative != is_negative && limit.text() != "0") {
      if (is_lower != limit.is_negative) form = Automaton();
      return;
    }
    const bool is_at_least = is_lower != is_negative;
    std::vector<Order> wanted{is_at_least ? Order::greater : Order::less};
    if (!is_exclusive) wanted.push_back(Order::equal);
    form = intersection(form, Comparison(limit, std::move(wanted)).automaton());
  };
  if (facts.lower) keep(facts.lower->value, true, facts.lower->is_exclusive);
  if (facts.upper) keep(facts.upper->value, false, facts.upper->is_exclusive);
  for (const Decimal& excluded : facts.excluded) {
    if (excluded.is_negative != is_negative && excluded.text() != "0") continue;
    form = intersection(form, Comparison(excluded, {Order::less, Order::greater}).automaton());
  }
  return form;
}

Automaton negated(const Automaton& magnitude) {
  std::vector<State> states = magnitude.states();
  for (State& state : states)
    for (Edge& edge : state.edges) ++edge.target;
  states.insert(states.begin(), State{false, {{{'-', '-'}, 1}}});
  return Automaton(std::move(states));
}

Automaton signed_numbers(const Automaton& form, const NumberFacts& facts) {
  return united(magnitudes(form, false, facts), negated(magnitudes(form, true, facts)));
}

void strip(std::string& whole, std::string& fraction) {
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  const std::size_t first = whole.find_first_not_of('0');
  whole = first == std::string::npos ? "0" : whole.substr(first);
}

}  // namespace

std::optional<Decimal> Decimal::from(const nlohmann::ordered_json& number) {
  std::string text;
  if (number.is_number_float()) {
    const double value = number.get<double>();
    if (!std::isfinite(value) || std::abs(value) >= kExactIntegers) return std::nullopt;
    std::array<char, 400> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                   std::chars_format::fixed);
    text.assign(digits.data(), end.ptr);
  } else {
    text = number.dump();
  }
  Decimal decimal;
  decimal.is_negative = text.starts_with('-');
  if (decimal.is_negative) text.erase(0, 1);
  const std::size_t point = std::min(text.find('.'), text.size());
  decimal.whole = text.substr(0, point);
  decimal.fraction = text.substr(std::min(point + 1, text.size()));
  strip(decimal.whole, decimal.fraction);
  if (decimal.whole.size() + decimal.fraction.size() > kMaxDigits) return std::nullopt;
  if (decimal.whole == "0" && decimal.fraction.empty()) decimal.is_negative = false;
  return decimal;
}

std::string Decimal::text() const {
  return (is_negative ? "-" : "") + whole + (fraction.empty() ? "" : "." + fraction);
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.is_negative != b.is_negative) return a.is_negative ? -1 : 1;
  int order = 0;
  if (a.whole.size() != b.whole.size()) {
    order = a.whole.size() < b.whole.size() ? -1 : 1;
  } else if (a.whole != b.whole) {
    order = a.whole < b.whole ? -1 : 1;
  } else if (a.fraction != b.fraction) {
    order = a.fraction < b.fraction ? -1 : 1;
  }
  return a.is_negative ? -order : order;
}

void NumberFacts::raise_lower(const Bound& bound) {
  const int order = lower ? compare(bound.value, lower->value) : 1;
  if (order > 0 || (order == 0 && bound.is_exclusive)) lower = bound;
}

void NumberFacts::cut_upper(const Bound& bound) {
  const int order = upper ? compare(bound.value, upper->value) : -1;
  if (order < 0 || (order == 0 && bound.is_exclusive)) upper = bound;
}

Automaton integers(const NumberFacts& facts) {
  Automaton form = integer_form();
  for (const std::int64_t divisor : facts.multiples_of)
    form = intersection(form, multiples(divisor));
  for (const std::int64_t divisor : facts.not_multiples_of)
    form = intersection(form, multiples(divisor).complement());
  return signed_numbers(form, facts);
}

Automaton fractions(const NumberFacts& facts) {
  if (!facts.multiples_of.empty()) return {};
  return signed_numbers(fraction_form(), facts);
}

}  // namespace gpumodel::engine::text::grammar
