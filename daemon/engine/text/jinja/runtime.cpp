#include "engine/text/jinja/runtime.hpp"

#include <fmt/format.h>
#include <algorithm>

#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/unicode.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

// Python's own recursion limit is of this order for repr() and comparison of nested containers.
constexpr unsigned kMaxValueDepth = 200;
constexpr std::size_t kMaxNamespaces = 10'000;
// The sandbox of Jinja has the same limit.
constexpr std::uint64_t kMaxRange = 100'000;
// Below this many entries a scan is as fast as a hash index.
constexpr std::size_t kScanEntries = 8;

unsigned depth_of(const Values& items) {
  unsigned depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  return depth + 1;
}

std::uint64_t hash_bytes(std::string_view bytes) { return std::hash<std::string_view>{}(bytes); }

// Equal values have equal hashes: 1, 1.0 and True are one key.
std::uint64_t hash_value(Runtime& runtime, const Value& value) {
  runtime.step();
  switch (value.type()) {
    case Type::kBool:
    case Type::kInt:
      return static_cast<std::uint64_t>(value.as_int());
    case Type::kFloat: {
      const double real = value.as_real();
      constexpr double kInt64Limit = 9.2e18;
      if (real > -kInt64Limit && real < kInt64Limit &&
          real == static_cast<double>(static_cast<std::int64_t>(real)))
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(real));
      return std::hash<double>{}(real);
    }
    case Type::kString: {
      const std::string& bytes = value.get<StringData>().text.bytes();
      runtime.step_bytes(bytes.size());
      return hash_bytes(bytes);
    }
    case Type::kTuple: {
      std::uint64_t hash = 0x9E3779B97F4A7C15u;
      for (const Value& item : value.get<SequenceData>().items)
        hash = hash * 1099511628211u ^ hash_value(runtime, item);
      return hash;
    }
    case Type::kList:
    case Type::kDict:
    case Type::kView:
      runtime.fail(fmt::format("unhashable type: '{}'", type_name(value)));
    case Type::kNone:
    case Type::kUndefined:
      return static_cast<std::uint64_t>(value.type());
    default:
      return std::hash<const void*>{}(value.identity());
  }
}

// Calls match(entry index) for each entry that may have the hash; true ends the search.
template <class Match>
const Value* search(const DictData& dict, std::uint64_t hash, Match match) {
  if (dict.index.empty()) {
    for (std::size_t at = 0; at < dict.entries.size(); ++at)
      if (match(at)) return &dict.entries[at].second;
    return nullptr;
  }
  const auto [begin, end] = dict.index.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (match(it->second)) return &dict.entries[it->second].second;
  return nullptr;
}

}  // namespace

void Runtime::fail_steps() const {
  fail(fmt::format("the template takes more than {} steps; it or its input is too large",
                   limits_.steps));
}

void Runtime::fail_text_limit(std::size_t limit_bytes) const {
  fail(fmt::format("a text would be longer than {} bytes", limit_bytes));
}

void Runtime::check_string(std::size_t bytes) const {
  if (bytes > limits_.string_bytes) fail_text_limit(limits_.string_bytes);
}

void Runtime::check_elements(std::size_t count) const {
  if (count > limits_.elements)
    fail(fmt::format("a list or dict would have more than {} elements", limits_.elements));
}

void Runtime::check_depth(unsigned depth) const {
  if (depth > kMaxValueDepth)
    fail(fmt::format("values are nested deeper than {} levels", kMaxValueDepth));
}

Charge Runtime::charge(std::size_t bytes) {
  if (live_bytes_ + bytes > limits_.live_bytes)
    fail(fmt::format("the template's values take more than {} bytes", limits_.live_bytes));
  return Charge(&live_bytes_, bytes);
}

Value Runtime::undefined(std::string message) {
  auto data = std::make_shared<UndefinedData>();
  adopt(*data, 0, message.size());
  data->message = std::move(message);
  return Value::object(Type::kUndefined, std::move(data));
}

Value Runtime::string(OriginText text, bool markup) {
  check_string(text.size());
  step_bytes(text.size());
  auto data = std::make_shared<StringData>();
  adopt(*data, 0, text.memory_bytes());
  data->length = count_code_points(text.bytes());
  data->text = std::move(text);
  data->markup = markup;
  return Value::object(Type::kString, std::move(data));
}

Value literal_string(std::string text) {
  auto data = std::make_shared<StringData>();
  data->length = count_code_points(text);
  data->text = OriginText(std::move(text), Origin::kTemplate);
  return Value::object(Type::kString, std::move(data));
}

Value Runtime::list(Values items) {
  check_elements(items.size());
  step(items.size() / 8);
  auto data = std::make_shared<SequenceData>();
  adopt(*data, depth_of(items), items.size() * sizeof(Value));
  data->items = std::move(items);
  return Value::object(Type::kList, std::move(data));
}

Value Runtime::tuple(Values items, bool group) {
  check_elements(items.size());
  step(items.size() / 8);
  auto data = std::make_shared<SequenceData>();
  adopt(*data, depth_of(items), items.size() * sizeof(Value));
  data->items = std::move(items);
  data->group = group;
  return Value::object(Type::kTuple, std::move(data));
}

Value Runtime::range(std::int64_t start, std::int64_t stop, std::int64_t step) {
  if (step == 0) fail("range() arg 3 must not be zero");
  // Unsigned, so that no pair of bounds overflows.
  const auto from = static_cast<std::uint64_t>(start);
  const auto to = static_cast<std::uint64_t>(stop);
  std::uint64_t length = 0;
  if (step > 0 && start < stop) length = (to - from - 1) / static_cast<std::uint64_t>(step) + 1;
  if (step < 0 && start > stop)
    length = (from - to - 1) / (~static_cast<std::uint64_t>(step) + 1) + 1;
  if (length > kMaxRange)
    fail(fmt::format("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).",
                     kMaxRange));
  auto data = std::make_shared<RangeData>();
  adopt(*data, 0, 0);
  data->start = start;
  data->stop = stop;
  data->step = step;
  data->length = static_cast<std::int64_t>(length);
  return Value::object(Type::kRange, std::move(data));
}

Value Runtime::view(const Value& dict, ViewData::Part part) {
  auto data = std::make_shared<ViewData>();
  adopt(*data, dict.depth() + 1, 0);
  data->dict = dict;
  data->part = part;
  return Value::object(Type::kView, std::move(data));
}

Value Runtime::iterator(const Values& sources, std::function<Values(Runtime&)> produce) {
  auto data = std::make_shared<IteratorData>();
  adopt(*data, depth_of(sources), sources.size() * sizeof(Value));
  data->produce = std::move(produce);
  return Value::object(Type::kIterator, std::move(data));
}

Value Runtime::function(std::string name, const Values& holds,
                        std::function<Value(Runtime&, CallArguments&)> call) {
  auto data = std::make_shared<FunctionData>();
  adopt(*data, depth_of(holds), name.size());
  data->name = std::move(name);
  data->call = std::move(call);
  return Value::object(Type::kFunction, std::move(data));
}

Value Runtime::cycler(Values items) {
  auto data = std::make_shared<CyclerData>();
  adopt(*data, depth_of(items), items.size() * sizeof(Value));
  data->items = std::move(items);
  return Value::object(Type::kCycler, std::move(data));
}

Value Runtime::make_namespace() {
  if (namespaces_.all.size() >= kMaxNamespaces)
    fail(fmt::format("the template makes more than {} namespaces", kMaxNamespaces));
  auto data = std::make_shared<NamespaceData>();
  adopt(*data, 0, 0);
  namespaces_.all.push_back(data);
  return Value::object(Type::kNamespace, std::move(data));
}

void DictBuilder::set(const Value& key, Value value) {
  const std::uint64_t hash = hash_value(runtime_, key);
  const Value* found = search(
      *data_, hash, [&](std::size_t at) { return equal(runtime_, data_->entries[at].first, key); });
  if (found != nullptr) {
    *const_cast<Value*>(found) = std::move(value);
    return;
  }
  runtime_.check_elements(data_->entries.size() + 1);
  data_->entries.emplace_back(key, std::move(value));
  if (!data_->index.empty()) {
    data_->index.emplace(hash, data_->entries.size() - 1);
  } else if (data_->entries.size() > kScanEntries) {
    for (std::size_t at = 0; at < data_->entries.size(); ++at)
      data_->index.emplace(hash_value(runtime_, data_->entries[at].first), at);
  }
}

bool DictBuilder::add(const Value& key) {
  const std::size_t before = data_->entries.size();
  set(key, Value::none());
  return data_->entries.size() != before;
}

Value DictBuilder::take() {
  unsigned depth = 0;
  for (const auto& [key, value] : data_->entries)
    depth = std::max({depth, key.depth(), value.depth()});
  runtime_.adopt(*data_, depth + 1,
                 data_->entries.size() * 2 * sizeof(Value) + data_->index.size() * 32);
  return Value::object(Type::kDict, std::move(data_));
}

const Value* dict_find(Runtime& runtime, const DictData& dict, const Value& key) {
  const std::uint64_t hash = hash_value(runtime, key);
  return search(dict, hash,
                [&](std::size_t at) { return equal(runtime, dict.entries[at].first, key); });
}

const Value* dict_find(Runtime& runtime, const DictData& dict, std::string_view key) {
  runtime.step();
  return search(dict, hash_bytes(key), [&](std::size_t at) {
    const Value& candidate = dict.entries[at].first;
    return candidate.is(Type::kString) && candidate.get<StringData>().text.bytes() == key;
  });
}

}  // namespace gpumodel::engine::text::jinja
