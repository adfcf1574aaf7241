// Schemas to the ways in which a value can obey them: what applies in place ($ref, allOf, anyOf,
// oneOf, not, if, dependencies) is worked out into a union of plain conjunctions.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/text/grammar/facts.hpp"
#include "engine/text/grammar/formats.hpp"
#include "engine/text/grammar/pattern.hpp"

namespace gpumodel::engine::text::grammar {

// More ways than this to obey one schema are Refusal{too_large}.
inline constexpr std::size_t kMaxBranches = 256;

// One schema's compilation, in one thread. Everything throws Refusal, which names the keyword.
class Expander {
 public:
  // `document` outlives this.
  explicit Expander(const SchemaDocument& document) : document_(document) {}

  // Every value that obeys all goals has a branch, and what fits a branch obeys them all. Branches
  // may overlap. Those that are obviously nothing's are left out; the reference stays valid.
  const Branches& expand(const Goals& goals);

  // Whether `value` fits.
  bool fits(const ordered_json& value, const Branch& branch);
  bool obeys(const ordered_json& value, const Goals& goals);

  // The goals of the value of `key`; null where the object may not have the key.
  std::optional<Goals> goals_of(const std::string& key, const ObjectFacts& object);
  // All texts that fit a branch's string facts; without any, everything.
  Automaton language(const StringFacts& facts) const;
  // The texts that obey as keys or strings.
  Automaton language(const Goals& goals);

 private:
  Branches apply(Branches branches, const Goal& goal);
  Branches apply_schema(Branches branches, const Schema& schema);
  Branches apply_value(Branches branches, const Schema& schema);
  Branches apply_number(Branches branches, const Schema& schema);
  Branches apply_string(Branches branches, const Schema& schema);
  Branches apply_array(Branches branches, const Schema& schema);
  Branches apply_object(Branches branches, const Schema& schema);
  Branches apply_dependencies(Branches branches, const Schema& schema);
  Branches apply_combination(Branches branches, const Schema& schema);
  Branches apply_one_of(const Branches& branches, const ordered_json& schemas);
  void refuse_content(const Schema& schema) const;
  ObjectFacts::Layer object_layer(const Schema& schema);
  ArrayFacts::Layer array_layer(const Schema& schema);

  // Where the schema is not obeyed: a union over its keywords.
  Branches apply_negated(const Branches& branches, const Schema& schema);
  void negate_value(const Branches& branches, const Schema& schema, Branches& out);
  void negate_number(const Branches& branches, const Schema& schema, Branches& out);
  void negate_string(const Branches& branches, const Schema& schema, Branches& out);
  void negate_array(const Branches& branches, const Schema& schema, Branches& out);
  void negate_object(const Branches& branches, const Schema& schema, Branches& out);
  void negate_dependencies(const Branches& branches, const Schema& schema, Branches& out);
  void negate_combination(const Branches& branches, const Schema& schema, Branches& out);

  // Takes off the kinds that no value can have. What is being expanded counts as feasible.
  bool is_feasible(Branch& branch);
  bool may_obey(const Goals& goals);
  bool is_feasible_array(const Branch& branch);
  bool is_feasible_object(const Branch& branch);
  Branches feasible(Branches branches);
  bool fits_array(const ordered_json& value, const ArrayFacts& facts);
  bool fits_object(const ordered_json& value, const ObjectFacts& facts);
  Branches excluding(Branches branches, const Schema& schema, const ordered_json& value,
                     const char* keyword) const;
  Branches with_key(Branches branches, const std::string& key) const;
  Branches without_key(Branches branches, const std::string& key) const;

  std::shared_ptr<const Automaton> pattern(const std::string& expression, Reading reading,
                                           const Schema& schema, const char* keyword);
  const Schema& inside(const Schema& schema, const char* keyword) const {
    return document_.at(schema.at(keyword));
  }
  std::uint64_t count_of(const Schema& schema, const char* keyword) const;
  Decimal decimal_of(const Schema& schema, const char* keyword) const;

  const SchemaDocument& document_;
  std::map<Goals, std::unique_ptr<Branches>> expanded_;
  std::set<Goals> expanding_;
  std::vector<Goal> open_;  // goals that are being applied in place
  std::map<std::pair<std::string, Reading>, std::shared_ptr<const Automaton>> patterns_;
  std::size_t automaton_states_ = 0;
  std::size_t work_ = 0;
};

// Adds `more` to `to`; Refusal{too_large} beyond kMaxBranches.
void append(Branches& to, Branches more);

}  // namespace gpumodel::engine::text::grammar
