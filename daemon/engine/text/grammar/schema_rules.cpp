#include "engine/text/grammar/schema_rules.hpp"

#include <algorithm>
#include <utility>

#include "engine/text/grammar/array_rules.hpp"
#include "engine/text/grammar/grammar.hpp"
#include "engine/text/grammar/object_rules.hpp"

namespace gpumodel::engine::text::grammar {
namespace {

constexpr std::size_t kMaxExponentDigits = 2;
constexpr std::uint64_t kMaxMantissaDigits = 17;
constexpr std::uint64_t kMaxWholeDigits = 300;
constexpr std::uint64_t kMaxPlaces = 30;

// The one text of a value.
std::string text_of(const ordered_json& value) {
  const unsigned kind = kind_of(value);
  if (kind & kNumber) return Decimal::from(value)->text();
  if (kind == kString) return json_string(value.get_ref<const std::string&>());
  if (kind != kArray && kind != kObject) return value.dump();
  std::string text;
  for (const auto& [key, inside] : value.items()) {
    text += text.empty() ? "" : ",";
    if (kind == kObject) text += json_string(key) + ":";
    text += text_of(inside);
  }
  return kind == kArray ? "[" + text + "]" : "{" + text + "}";
}

}  // namespace

Rules::Rule SchemaRules::value(const Goals& goals) {
  const auto [place, is_new] = known_.emplace(goals, 0);
  if (is_new) {
    place->second = rules_.declare();
    open_.push_back(&place->first);
  }
  return place->second;
}

void SchemaRules::finish() {
  while (!open_.empty()) {
    const Goals& goals = *open_.back();
    open_.pop_back();
    std::vector<Rules::Expression> ways;
    for (const Branch& one : expander_.expand(goals)) ways.push_back(branch(one));
    rules_.define(known_.at(goals), rules_.choice(std::move(ways)));
  }
}

Rules::Expression SchemaRules::comma() {
  return rules_.sequence({rules_.text(","), rules_.repeat(rules_.text(" "), 0, 1)});
}

Rules::Expression SchemaRules::branch(const Branch& branch) {
  if (branch.values) return values(branch);
  std::vector<Rules::Expression> ways;
  if (branch.kinds & kNull) ways.push_back(rules_.text("null"));
  if (branch.kinds & kBoolean)
    ways.push_back(rules_.choice({rules_.text("true"), rules_.text("false")}));
  if (branch.kinds & kNumber) ways.push_back(number(branch));
  if (branch.kinds & kString) ways.push_back(string(branch.string));
  if (branch.kinds & kArray) ways.push_back(array(branch.array));
  if (branch.kinds & kObject) ways.push_back(object(branch.object));
  return rules_.choice(std::move(ways));
}

Rules::Expression SchemaRules::values(const Branch& branch) {
  std::vector<Rules::Expression> ways;
  for (const ordered_json* value : *branch.values)
    if (expander_.fits(*value, branch)) ways.push_back(rules_.text(text_of(*value)));
  return rules_.choice(std::move(ways));
}

Rules::Expression SchemaRules::number(const Branch& branch) {
  const bool has_integers = (branch.kinds & kInteger) != 0;
  const bool has_fractions = (branch.kinds & kFraction) != 0;
  if (!branch.number.is_free() || !has_integers) {
    std::vector<Rules::Expression> ways;
    if (has_integers) ways.push_back(texts_.plain(integers(branch.number)));
    if (has_fractions) ways.push_back(texts_.plain(fractions(branch.number)));
    return rules_.choice(std::move(ways));
  }
  const CharSet digit('0', '9');
  const auto digits = [&](std::uint64_t least, std::uint64_t most) {
    return rules_.repeat(rules_.characters(digit), least, most);
  };
  const auto whole = [&](std::uint64_t most) {
    return rules_.sequence(
        {rules_.repeat(rules_.text("-"), 0, 1),
         rules_.choice({rules_.text("0"), rules_.sequence({rules_.characters(CharSet('1', '9')),
                                                           digits(0, most - 1)})})});
  };
  if (!has_fractions) return whole(kMaxIntegerDigits);
  const Rules::Expression places = rules_.sequence({rules_.text("."), digits(1, kMaxPlaces)});
  const Rules::Expression exponent =
      rules_.sequence({rules_.characters(CharSet({{'E', 'E'}, {'e', 'e'}})),
                       rules_.repeat(rules_.characters(CharSet({{'+', '+'}, {'-', '-'}})), 0, 1),
                       digits(1, kMaxExponentDigits)});
  return rules_.choice(
      {whole(kMaxIntegerDigits), rules_.sequence({whole(kMaxWholeDigits), places}),
       rules_.sequence({whole(kMaxMantissaDigits), rules_.repeat(places, 0, 1), exponent})});
}

Rules::Expression SchemaRules::string(const StringFacts& facts) {
  if (facts.least == 0 && !facts.most && !facts.has_languages()) return texts_.any_json_string();
  return texts_.json_strings(expander_.language(facts));
}

Rules::Expression SchemaRules::array(const ArrayFacts& facts) {
  return ArrayRules(*this, facts).whole();
}

Rules::Expression SchemaRules::object(const ObjectFacts& facts) {
  return ObjectRules(*this, facts).whole();
}

Grammar json_schema_grammar(std::string_view schema) {
  const SchemaDocument document(schema);
  Expander expander(document);
  Rules rules;
  TextRules texts(rules);
  SchemaRules writer(rules, texts, expander);
  const Rules::Rule root = writer.value({{&document.root()}});
  writer.finish();
  const std::optional<Grammar> grammar = rules.grammar(root);
  if (!grammar) throw Refusal(Refusal::Kind::malformed, "no value obeys the schema");
  return *grammar;
}

}  // namespace gpumodel::engine::text::grammar
