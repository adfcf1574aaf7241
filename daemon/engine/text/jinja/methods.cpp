// The methods of dict, list, tuple, range and cycler, and the way to all methods.
#include "engine/text/jinja/methods.hpp"

#include <algorithm>

#include "engine/text/jinja/arguments.hpp"
#include "engine/text/jinja/attributes.hpp"
#include "engine/text/jinja/operators.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

template <ViewData::Part part>
Value view_method(Runtime& runtime, const Value& self, CallArguments& given) {
  Arguments(runtime, "dict method", given, {});
  return runtime.view(self, part);
}

Value get_method(Runtime& runtime, const Value& self, CallArguments& given) {
  if (!given.keywords.empty()) runtime.fail("dict.get() takes no keyword arguments");
  const Arguments arguments(runtime, "get", given, {"key", "default"}, 1);
  const Value* found = dict_find(runtime, self.get<DictData>(), arguments[0]);
  return found != nullptr ? *found : arguments.value(1);
}

Value copy_method(Runtime& runtime, const Value& self, CallArguments& given) {
  Arguments(runtime, "copy", given, {});
  return self;  // nothing can change it, so it is its own copy
}

constexpr MethodEntry kDictMethods[] = {
    {"items", view_method<ViewData::Part::kItems>},
    {"keys", view_method<ViewData::Part::kKeys>},
    {"values", view_method<ViewData::Part::kValues>},
    {"get", get_method},
    {"copy", copy_method},
};

Value sequence_count(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "count", given, {"value"}, 1);
  std::int64_t count = 0;
  for (const Value& item : iterate(runtime, self))
    count += equal(runtime, item, arguments[0]) ? 1 : 0;
  return Value::integer(count);
}

Value sequence_index(Runtime& runtime, const Value& self, CallArguments& given) {
  const Arguments arguments(runtime, "index", given, {"value", "start"}, 1);
  const Values items = iterate(runtime, self);
  std::int64_t start = arguments.integer(1, 0);
  if (start < 0) start = std::max<std::int64_t>(start + static_cast<std::int64_t>(items.size()), 0);
  for (auto at = static_cast<std::size_t>(start); at < items.size(); ++at)
    if (equal(runtime, items[at], arguments[0]))
      return Value::integer(static_cast<std::int64_t>(at));
  runtime.fail("the value is not in the list");
}

constexpr MethodEntry kListMethods[] = {
    {"count", sequence_count}, {"index", sequence_index}, {"copy", copy_method}};
constexpr MethodEntry kTupleMethods[] = {{"count", sequence_count}, {"index", sequence_index}};

Value cycler_next(Runtime& runtime, const Value& self, CallArguments& given) {
  Arguments(runtime, "next", given, {});
  auto& cycler = self.get<CyclerData>();
  const Value item = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return item;
}

Value cycler_reset(Runtime& runtime, const Value& self, CallArguments& given) {
  Arguments(runtime, "reset", given, {});
  self.get<CyclerData>().position = 0;
  return Value::none();
}

constexpr MethodEntry kCyclerMethods[] = {{"next", cycler_next}, {"reset", cycler_reset}};

Value bound_method(Runtime& runtime, std::span<const MethodEntry> entries, const Value& object,
                   const std::string& name) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const MethodEntry& entry) { return entry.name == name; });
  if (found == entries.end()) return {};
  return runtime.function(name, {object},
                          [object, call = found->call](Runtime& rt, CallArguments& given) {
                            return call(rt, object, given);
                          });
}

}  // namespace

Value find_method(Runtime& runtime, const Value& object, const std::string& name) {
  switch (object.type()) {
    case Type::kString:
      return bound_method(runtime, string_methods(), object, name);
    case Type::kDict:
      return bound_method(runtime, kDictMethods, object, name);
    case Type::kList:
      return bound_method(runtime, kListMethods, object, name);
    case Type::kTuple:
    case Type::kRange:
      return bound_method(runtime, kTupleMethods, object, name);
    case Type::kCycler:
      return bound_method(runtime, kCyclerMethods, object, name);
    default:
      return {};
  }
}

}  // namespace gpumodel::engine::text::jinja
