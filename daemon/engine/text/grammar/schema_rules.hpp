// Branches to rules.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/text/grammar/branches.hpp"
#include "engine/text/grammar/rules.hpp"
#include "engine/text/grammar/text_rules.hpp"

namespace gpumodel::engine::text::grammar {

// One schema's, in one thread. Everything throws Refusal.
class SchemaRules {
 public:
  // All outlive this.
  SchemaRules(Rules& rules, TextRules& texts, Expander& expander)
      : rules_(rules), texts_(texts), expander_(expander) {}

  // The rule for a value that obeys these.
  Rules::Rule value(const Goals& goals);
  // Writes what value() has promised.
  void finish();

 private:
  Rules::Expression branch(const Branch& branch);
  Rules::Expression values(const Branch& branch);
  Rules::Expression number(const Branch& branch);
  Rules::Expression string(const StringFacts& facts);
  Rules::Expression array(const ArrayFacts& facts);
  Rules::Expression object(const ObjectFacts& facts);
  Rules::Expression comma();

  friend class ArrayRules;
  friend class ObjectRules;

  Rules& rules_;
  TextRules& texts_;
  Expander& expander_;
  std::map<Goals, Rules::Rule> known_;
  std::vector<const Goals*> open_;
};

}  // namespace gpumodel::engine::text::grammar
