// The filters (value | name(...)) and tests (value is name(...)) of Jinja, by name.
#pragma once

#include <span>
#include <string_view>

#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

using Filter = Value (*)(Runtime&, const Value&, CallArguments&);
using Test = bool (*)(Runtime&, const Value&, CallArguments&);

// nullptr for an unknown name.
Filter find_filter(std::string_view name);
Test find_test(std::string_view name);

struct FilterEntry {
  std::string_view name;
  Filter call;
};
// The families that find_filter() looks through.
std::span<const FilterEntry> text_filters();
std::span<const FilterEntry> sequence_filters();
std::span<const FilterEntry> selection_filters();
std::span<const FilterEntry> value_filters();

}  // namespace gpumodel::engine::text::jinja
