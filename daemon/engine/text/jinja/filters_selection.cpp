// map, select, reject and their attr forms: filters that apply other filters and tests.
#include <fmt/format.h>

#include "engine/text/jinja/attributes.hpp"
#include "engine/text/jinja/filters.hpp"
#include "engine/text/jinja/operators.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

std::string require_name(Runtime& runtime, const Value& name) {
  if (!name.is(Type::kString))
    runtime.fail(fmt::format("a filter or test is named by a string, not {}", type_name(name)));
  return name.get<StringData>().text.bytes();
}

Values sources_of(const Value& value, const CallArguments& arguments) {
  Values sources = arguments.positional;
  sources.push_back(value);
  for (const auto& keyword : arguments.keywords) sources.push_back(keyword.second);
  return sources;
}

// map(attribute=..., default=...).
Values map_attribute(Runtime& runtime, const Value& value, const CallArguments& given) {
  Value attribute;
  Value absent = Value::none();
  for (const auto& [name, each] : given.keywords) {
    if (name == "attribute")
      attribute = each;
    else if (name == "default")
      absent = each;
    else
      runtime.fail(fmt::format("Unexpected keyword argument '{}'", name));
  }
  Values mapped;
  for (const Value& item : iterate(runtime, value)) {
    Value found = get_path(runtime, item, attribute);
    if (found.is(Type::kUndefined) && !absent.is(Type::kNone)) found = absent;
    mapped.push_back(std::move(found));
  }
  return mapped;
}

Values map_values(Runtime& runtime, const Value& value, const CallArguments& given) {
  if (!truthy(runtime, value)) return {};
  bool by_attribute = false;
  for (const auto& keyword : given.keywords)
    by_attribute = by_attribute || keyword.first == "attribute";
  if (given.positional.empty() && by_attribute) return map_attribute(runtime, value, given);
  if (given.positional.empty()) runtime.fail("map requires a filter argument");
  const std::string name = require_name(runtime, given.positional[0]);
  const Filter filter = find_filter(name);
  if (filter == nullptr) runtime.fail(fmt::format("No filter named '{}'.", name));
  const CallArguments rest{{given.positional.begin() + 1, given.positional.end()}, given.keywords};
  Values mapped;
  for (const Value& item : iterate(runtime, value)) {
    runtime.step();
    CallArguments arguments = rest;
    mapped.push_back(filter(runtime, item, arguments));
  }
  return mapped;
}

Value map_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  return runtime.iterator(sources_of(value, given),
                          [value, given](Runtime& rt) { return map_values(rt, value, given); });
}

struct Selection {
  bool keep;          // whether the items that pass stay, or those that fail
  bool by_attribute;  // the first argument names what is tested
};

Values select_values(Runtime& runtime, const Value& value, const CallArguments& given,
                     const Selection& selection) {
  if (!truthy(runtime, value)) return {};
  std::size_t used = selection.by_attribute ? 1 : 0;
  if (given.positional.size() < used) runtime.fail("Missing parameter for attribute name");
  Test test = nullptr;
  if (given.positional.size() > used) {
    const std::string name = require_name(runtime, given.positional[used++]);
    test = find_test(name);
    if (test == nullptr) runtime.fail(fmt::format("No test named '{}'.", name));
  }
  const CallArguments rest{
      {given.positional.begin() + static_cast<std::ptrdiff_t>(used), given.positional.end()},
      given.keywords};
  Values kept;
  for (const Value& item : iterate(runtime, value)) {
    runtime.step();
    const Value subject =
        selection.by_attribute ? get_path(runtime, item, given.positional[0]) : item;
    CallArguments arguments = rest;
    const bool passed =
        test == nullptr ? truthy(runtime, subject) : test(runtime, subject, arguments);
    if (passed == selection.keep) kept.push_back(item);
  }
  return kept;
}

template <bool keep, bool by_attribute>
Value select_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  return runtime.iterator(sources_of(value, given), [value, given](Runtime& rt) {
    return select_values(rt, value, given, {keep, by_attribute});
  });
}

constexpr FilterEntry kSelectionFilters[] = {
    {"map", map_filter},
    {"select", select_filter<true, false>},
    {"reject", select_filter<false, false>},
    {"selectattr", select_filter<true, true>},
    {"rejectattr", select_filter<false, true>},
};

}  // namespace

std::span<const FilterEntry> selection_filters() { return kSelectionFilters; }

}  // namespace gpumodel::engine::text::jinja
