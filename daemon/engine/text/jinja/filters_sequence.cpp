// Filters over whole sequences: ends, order, grouping, chunks.
#include <fmt/format.h>
#include <algorithm>
#include <numeric>

#include "engine/text/jinja/arguments.hpp"
#include "engine/text/jinja/attributes.hpp"
#include "engine/text/jinja/filters.hpp"
#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/print.hpp"
#include "engine/text/jinja/strings.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

Value length_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "length", given, {});
  return Value::integer(static_cast<std::int64_t>(length(runtime, value)));
}

Value list_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "list", given, {});
  return runtime.list(iterate(runtime, value));
}

Value first_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "first", given, {});
  Value item;
  return first_item(runtime, value, item) ? item
                                          : runtime.undefined("No first item, sequence was empty.");
}

Value last_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "last", given, {});
  if (!has_length(value))
    runtime.fail(fmt::format("'{}' object is not reversible", type_name(value)));
  const Values items = iterate(runtime, value);
  return items.empty() ? runtime.undefined("No last item, sequence was empty.") : items.back();
}

Value reverse_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "reverse", given, {});
  if (value.is(Type::kString))
    return get_slice(runtime, value, Value::none(), Value::none(), Value::integer(-1));
  if (!is_iterable(value)) runtime.fail("argument must be iterable");
  Values items = iterate(runtime, value);
  std::reverse(items.begin(), items.end());
  if (value.is(Type::kIterator)) return runtime.list(std::move(items));
  return runtime.iterator({value}, [items = std::move(items)](Runtime&) { return items; });
}

Value items_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  Arguments(runtime, "items", given, {});
  return runtime.iterator({value}, [value](Runtime& rt) -> Values {
    if (value.is(Type::kUndefined)) return {};
    if (!value.is(Type::kDict)) rt.fail("Can only get item pairs from a mapping.");
    return iterate(rt, rt.view(value, ViewData::Part::kItems));
  });
}

// A string's lower-case form where case does not count.
Value case_key(Runtime& runtime, const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.is(Type::kString)) return value;
  return runtime.string(lower(runtime, value.get<StringData>().text));
}

// The positions of `keys` in ascending order, or descending with equals in their order.
std::vector<std::size_t> sorted_order(Runtime& runtime, const Values& keys, bool descending) {
  std::vector<std::size_t> order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return descending ? less(runtime, keys[b], keys[a]) : less(runtime, keys[a], keys[b]);
  });
  return order;
}

Values pick(const Values& items, const std::vector<std::size_t>& order) {
  Values picked;
  picked.reserve(items.size());
  for (const std::size_t at : order) picked.push_back(items[at]);
  return picked;
}

// Keys for several attributes, "age,name": lists are compared item by item.
Value sort_key(Runtime& runtime, const Value& item, const Value& attribute, bool case_sensitive) {
  Values parts;
  if (attribute.is(Type::kString)) {
    const OriginText comma(",", Origin::kInput);
    for (OriginText& path : split(runtime, attribute.get<StringData>().text, &comma, -1, false))
      parts.push_back(case_key(runtime, get_path(runtime, item, runtime.string(std::move(path))),
                               case_sensitive));
  } else {
    parts.push_back(case_key(runtime, get_path(runtime, item, attribute), case_sensitive));
  }
  return runtime.list(std::move(parts));
}

Value sort_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "sort", given, {"reverse", "case_sensitive", "attribute"});
  const Values items = iterate(runtime, value);
  Values keys;
  for (const Value& item : items)
    keys.push_back(sort_key(runtime, item, arguments.value(2), arguments.flag(1, false)));
  return runtime.list(pick(items, sorted_order(runtime, keys, arguments.flag(0, false))));
}

Value dict_sort_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "dictsort", given, {"case_sensitive", "by", "reverse"});
  const OriginText* by = arguments.string(1, false);
  if (by != nullptr && by->bytes() != "key" && by->bytes() != "value")
    runtime.fail("You can only sort by either \"key\" or \"value\"");
  if (value.is(Type::kUndefined)) fail_undefined(runtime, value);
  if (!value.is(Type::kDict))
    runtime.fail(fmt::format("'{}' object has no attribute 'items'", type_name(value)));
  const bool by_value = by != nullptr && by->bytes() == "value";
  Values keys;
  for (const auto& [key, each] : value.get<DictData>().entries)
    keys.push_back(case_key(runtime, by_value ? each : key, arguments.flag(0, false)));
  const Values items = iterate(runtime, runtime.view(value, ViewData::Part::kItems));
  return runtime.list(pick(items, sorted_order(runtime, keys, arguments.flag(2, false))));
}

template <bool largest>
Value extreme_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, largest ? "max" : "min", given,
                            {"case_sensitive", "attribute"});
  const Values items = iterate(runtime, value);
  if (items.empty()) return runtime.undefined("No aggregated item, sequence was empty.");
  const auto key = [&](const Value& item) {
    return case_key(runtime, get_path(runtime, item, arguments.value(1)), arguments.flag(0, false));
  };
  Value best = items[0];
  Value best_key = key(best);
  for (std::size_t at = 1; at < items.size(); ++at) {
    const Value each = key(items[at]);
    if (largest ? less(runtime, best_key, each, ">") : less(runtime, each, best_key)) {
      best = items[at];
      best_key = each;
    }
  }
  return best;
}

Value unique_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "unique", given, {"case_sensitive", "attribute"});
  const bool case_sensitive = arguments.flag(0, false);
  const Value attribute = arguments.value(1);
  return runtime.iterator({value, attribute}, [value, attribute, case_sensitive](Runtime& rt) {
    DictBuilder seen(rt);
    Values kept;
    std::size_t count = 0;
    for (const Value& item : iterate(rt, value)) {
      if (seen.add(case_key(rt, get_path(rt, item, attribute), case_sensitive)))
        kept.push_back(item);
      rt.step(++count % 2);
    }
    return kept;
  });
}

Value group_by_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "groupby", given, {"attribute", "default", "case_sensitive"},
                            1);
  const bool case_sensitive = arguments.flag(2, false);
  const auto attribute = [&](const Value& item) {
    const Value found = get_path(runtime, item, arguments[0]);
    return found.is(Type::kUndefined) && !arguments.value(1).is(Type::kNone) ? arguments[1] : found;
  };
  const Values items = iterate(runtime, value);
  Values keys;
  for (const Value& item : items)
    keys.push_back(case_key(runtime, attribute(item), case_sensitive));
  const std::vector<std::size_t> order = sorted_order(runtime, keys, false);
  Values groups;
  for (std::size_t at = 0; at < order.size();) {
    const Value& key = keys[order[at]];
    Values members;
    const Value grouper = case_sensitive ? key : attribute(items[order[at]]);
    while (at < order.size() && equal(runtime, keys[order[at]], key))
      members.push_back(items[order[at++]]);
    if (members.empty()) runtime.fail("groupby: a value is not equal to itself");
    groups.push_back(runtime.tuple({grouper, runtime.list(std::move(members))}, true));
  }
  return runtime.list(std::move(groups));
}

Value batch_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "batch", given, {"linecount", "fill_with"}, 1);
  const std::int64_t count = arguments.integer(0, 1);
  const Value fill = arguments.value(1);
  return runtime.iterator({value, fill}, [value, fill, count](Runtime& rt) {
    Values rows;
    Values row;
    for (const Value& item : iterate(rt, value)) {
      if (static_cast<std::int64_t>(row.size()) == count)
        rows.push_back(rt.list(std::exchange(row, {})));
      row.push_back(item);
    }
    if (row.empty()) return rows;
    if (!fill.is(Type::kNone) && count > 0) {
      rt.check_elements(static_cast<std::size_t>(count));
      rt.step(static_cast<std::size_t>(count) / 8);
      while (static_cast<std::int64_t>(row.size()) < count) row.push_back(fill);
    }
    rows.push_back(rt.list(std::move(row)));
    return rows;
  });
}

Value slice_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "slice", given, {"slices", "fill_with"}, 1);
  const std::int64_t slices = arguments.integer(0, 1);
  const Value fill = arguments.value(1);
  return runtime.iterator({value, fill}, [value, fill, slices](Runtime& rt) {
    const Values items = iterate(rt, value);
    if (slices == 0) rt.fail("integer division or modulo by zero");
    if (slices < 0) return Values{};
    const auto columns = static_cast<std::size_t>(slices);
    rt.check_elements(columns);
    const std::size_t each = items.size() / columns;
    const std::size_t longer = items.size() % columns;
    Values parts;
    auto begin = items.begin();
    for (std::size_t at = 0; at < columns; ++at) {
      const auto end = begin + static_cast<std::ptrdiff_t>(each + (at < longer ? 1 : 0));
      Values part(begin, end);
      if (at >= longer && !fill.is(Type::kNone)) part.push_back(fill);
      parts.push_back(rt.list(std::move(part)));
      begin = end;
    }
    return parts;
  });
}

Value sum_filter(Runtime& runtime, const Value& value, CallArguments& given) {
  const Arguments arguments(runtime, "sum", given, {"attribute", "start"});
  Value total = arguments.has(1) ? arguments[1] : Value::integer(0);
  if (total.is(Type::kString)) runtime.fail("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : iterate(runtime, value))
    total = arithmetic(runtime, BinaryOp::kAdd, total, get_path(runtime, item, arguments.value(0)));
  return total;
}

constexpr FilterEntry kSequenceFilters[] = {
    {"length", length_filter},      {"count", length_filter},
    {"list", list_filter},          {"first", first_filter},
    {"last", last_filter},          {"reverse", reverse_filter},
    {"items", items_filter},        {"sort", sort_filter},
    {"dictsort", dict_sort_filter}, {"min", extreme_filter<false>},
    {"max", extreme_filter<true>},  {"unique", unique_filter},
    {"groupby", group_by_filter},   {"batch", batch_filter},
    {"slice", slice_filter},        {"sum", sum_filter},
};

}  // namespace

std::span<const FilterEntry> sequence_filters() { return kSequenceFilters; }

}  // namespace gpumodel::engine::text::jinja
