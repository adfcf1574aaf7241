// Arrays as rules.
#pragma once

#include <map>
#include <vector>

#include "engine/text/grammar/schema_rules.hpp"

namespace gpumodel::engine::text::grammar {

// One array's. A rule stands for what may follow, once so many items are there of which so many
// count for each `contains`.
class ArrayRules {
 public:
  ArrayRules(SchemaRules& schema, const ArrayFacts& facts);

  Rules::Expression whole();

 private:
  struct Place {
    std::uint64_t items = 0;
    std::vector<std::uint64_t> counts;  // one for each `contains`
    auto operator<=>(const Place&) const = default;
  };

  Rules::Rule rest(const Place& place);
  Rules::Expression written(const Place& place);
  Rules::Expression many();
  bool may_end(const Place& place) const;
  // The item at `place` that counts for those whose bit is set; null where it cannot.
  std::optional<Rules::Expression> item(const Place& place, unsigned counted);
  Place after(const Place& place, unsigned counted) const;

  SchemaRules& schema_;
  Rules& rules_;
  ArrayFacts facts_;
  std::uint64_t distinct_items_;  // beyond so many it makes no difference how many there are
  std::map<Place, Rules::Rule> known_;
};

}  // namespace gpumodel::engine::text::grammar
