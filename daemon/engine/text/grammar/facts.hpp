// What is known of a JSON value, as the schemas that it must obey say it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/text/grammar/automaton.hpp"
#include "engine/text/grammar/decimal.hpp"
#include "engine/text/grammar/schema_document.hpp"

namespace gpumodel::engine::text::grammar {

// Kinds of values, as bits. Every value is of exactly one.
enum Kind : unsigned {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,   // also 1.0
  kFraction = 8,  // any other number
  kString = 16,
  kArray = 32,
  kObject = 64,
  kNumber = kInteger | kFraction,
  kAnyKind = 127,
};

// A value obeys `schema`, or does not where `is_negated`.
struct Goal {
  const Schema* schema;
  bool is_negated = false;

  friend bool operator<(const Goal& a, const Goal& b) {
    return a.schema->id != b.schema->id ? a.schema->id < b.schema->id : a.is_negated < b.is_negated;
  }
  friend bool operator==(const Goal&, const Goal&) = default;
};
// All of them together; no goal twice. None: any value.
using Goals = std::set<Goal>;

struct StringFacts {
  std::uint64_t least = 0;  // characters
  std::optional<std::uint64_t> most;
  std::vector<std::shared_ptr<const Automaton>> languages;

  bool has_languages() const { return !languages.empty(); }
};

struct Contains {
  Goal goal;
  std::uint64_t from = 0;  // items before it do not count
  std::uint64_t least = 1;
  std::optional<std::uint64_t> most;
};

struct ArrayFacts {
  struct Layer {
    std::vector<const Schema*> prefix;
    const Schema* rest = nullptr;  // null: anything
  };
  std::vector<Layer> layers;
  std::vector<std::pair<std::uint64_t, Goal>> items;  // of one place each
  std::uint64_t least = 0;
  std::optional<std::uint64_t> most;
  std::vector<Contains> contains;
  const Schema* unique = nullptr;  // the one that asks for it

  void raise(std::uint64_t count) { least = std::max(least, count); }
  void cut(std::uint64_t count) { most = std::min(most.value_or(count), count); }
  Goals goals_at(std::uint64_t index) const;
  // Places from here on have the same goals.
  std::uint64_t distinct_places() const;
};

struct ObjectFacts {
  struct Pattern {
    std::string expression;
    std::shared_ptr<const Automaton> certain;   // keys that match for sure
    std::shared_ptr<const Automaton> possible;  // keys that may match
    const Schema* schema;
  };
  struct Layer {
    const ordered_json* properties = nullptr;  // an object of schemas
    std::vector<Pattern> patterns;
    const Schema* additional = nullptr;  // null: anything
  };
  std::vector<Layer> layers;
  std::vector<std::pair<std::string, Goal>> properties;  // of one key each
  std::vector<std::string> required;                     // in the order of their schemas
  std::set<std::string> forbidden;
  std::uint64_t least = 0;
  std::optional<std::uint64_t> most;
  const Schema* counted = nullptr;  // the one that has minProperties
  Goals names;

  void require(const std::string& key);
  bool requires_key(const std::string& key) const;
};

// One way to obey: a value of one of these kinds, with what is said of its kind. What is said of
// other kinds does not count.
struct Branch {
  unsigned kinds = kAnyKind;
  std::optional<std::vector<const ordered_json*>> values;  // one of these
  NumberFacts number;
  StringFacts string;
  ArrayFacts array;
  ObjectFacts object;
};
using Branches = std::vector<Branch>;

unsigned kind_of(const ordered_json& value);
// What a well-formed `type` allows.
unsigned kinds_named(const ordered_json& type);

// Equal as JSON Schema has it: numbers by value, objects whatever the order.
bool is_same(const ordered_json& a, const ordered_json& b);

// Well-formed UTF-8.
std::u32string characters_of(const std::string& utf8);

}  // namespace gpumodel::engine::text::grammar
