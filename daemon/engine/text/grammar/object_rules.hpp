// Objects as rules.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/text/grammar/schema_rules.hpp"

namespace gpumodel::engine::text::grammar {

// One object's: the keys that its schemas name, in their order, then any others.
class ObjectRules {
 public:
  ObjectRules(SchemaRules& schema, const ObjectFacts& facts);

  Rules::Expression whole();

 private:
  struct Member {
    Rules::Expression text;  // key, colon and value
    bool is_required = false;
  };
  // Keys that no schema names, alike in what their values must be.
  struct Others {
    Automaton keys;
    std::vector<std::vector<bool>> matches;  // layer, pattern
  };

  void find_members();
  void find_others();
  Goals goals_of(const Others& others) const;
  Rules::Expression member(Rules::Expression key, const Goals& goals);
  // What may follow: `next` is the first member that may come, `named` and `others` how many are
  // there, counted as far as it matters.
  Rules::Rule rest(std::size_t next, std::uint64_t named, std::uint64_t others);
  Rules::Expression written(std::size_t next, std::uint64_t named, std::uint64_t others);
  Rules::Expression written_others(std::uint64_t named, std::uint64_t others);

  SchemaRules& schema_;
  Rules& rules_;
  ObjectFacts facts_;
  std::vector<std::string> named_;  // all keys that are not among the others
  std::vector<Member> members_;
  std::vector<Rules::Expression> others_;
  bool is_impossible_ = false;
  std::map<std::pair<std::size_t, std::pair<std::uint64_t, std::uint64_t>>, Rules::Rule> known_;
};

}  // namespace gpumodel::engine::text::grammar
