// The values of the template language: Python's, as far as chat templates can see them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/text/jinja/origin_text.hpp"

namespace gpumodel::engine::text::jinja {

class Runtime;
struct LoopData;

enum class Type : std::uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kRange,
  kView,
  kIterator,
  kNamespace,
  kFunction,
  kLoop,
  kCycler,
};

// Bytes that a live object holds of its render's budget; gives them back when the object dies.
class Charge {
 public:
  Charge() = default;
  Charge(std::size_t* live_bytes, std::size_t bytes) : live_bytes_(live_bytes), bytes_(bytes) {
    *live_bytes_ += bytes_;
  }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;
  Charge(Charge&& other) noexcept { swap(other); }
  Charge& operator=(Charge&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Charge() {
    if (live_bytes_ != nullptr) *live_bytes_ -= bytes_;
  }

 private:
  void swap(Charge& other) noexcept {
    std::swap(live_bytes_, other.live_bytes_);
    std::swap(bytes_, other.bytes_);
  }
  std::size_t* live_bytes_ = nullptr;
  std::size_t bytes_ = 0;
};

// What a Value points to. Immutable after construction, apart from namespaces, iterators, loops and
// cyclers.
struct Object {
  virtual ~Object() = default;
  // Nesting below this object; bounded, so that destroying one never recurses deeply.
  unsigned depth = 0;
  Charge charge;
};

// Small; copies share what they point to.
class Value {
 public:
  Value() = default;  // undefined, without a name
  static Value none() { return Value(Type::kNone, 0); }
  static Value boolean(bool value) { return Value(Type::kBool, value ? 1 : 0); }
  static Value integer(std::int64_t value) { return Value(Type::kInt, value); }
  static Value real(double value) {
    return Value(Type::kFloat, std::bit_cast<std::int64_t>(value));
  }
  static Value object(Type type, std::shared_ptr<Object> data) {
    Value value(type, 0);
    value.object_ = std::move(data);
    return value;
  }

  Type type() const noexcept { return type_; }
  bool is(Type type) const noexcept { return type_ == type; }
  bool is_number() const noexcept { return is_integral() || is(Type::kFloat); }
  bool is_integral() const noexcept { return is(Type::kBool) || is(Type::kInt); }

  bool as_bool() const noexcept { return number_ != 0; }
  // Of an int or a bool.
  std::int64_t as_int() const noexcept { return number_; }
  // Of any number.
  double as_real() const noexcept {
    return is(Type::kFloat) ? std::bit_cast<double>(number_) : static_cast<double>(number_);
  }

  // The object behind it; the caller has checked type().
  template <class T>
  T& get() const {
    return static_cast<T&>(*object_);
  }
  // nullptr for what needs no object.
  const Object* identity() const noexcept { return object_.get(); }
  unsigned depth() const noexcept { return object_ == nullptr ? 0 : object_->depth; }

 private:
  Value(Type type, std::int64_t number) : type_(type), number_(number) {}

  Type type_ = Type::kUndefined;
  std::int64_t number_ = 0;  // of a number; a float's bits
  std::shared_ptr<Object> object_;
};

using Values = std::vector<Value>;

// Undefined with the message that using it raises.
struct UndefinedData : Object {
  std::string message;
};

struct StringData : Object {
  OriginText text;
  std::size_t length = 0;  // in code points
  bool markup = false;     // the result of `safe` or `escape`
  bool ascii() const noexcept { return length == text.size(); }
};

// Lists and tuples. `group` marks groupby's pairs, which also have the names grouper and list.
struct SequenceData : Object {
  Values items;
  bool group = false;
};

struct DictData : Object {
  std::vector<std::pair<Value, Value>> entries;  // in order of insertion
  // Python's hash to a position in entries; filled only beyond a handful of entries.
  std::unordered_multimap<std::uint64_t, std::size_t> index;
};

struct RangeData : Object {
  std::int64_t start = 0;
  std::int64_t stop = 0;
  std::int64_t step = 1;
  std::int64_t length = 0;
};

// dict.keys(), dict.values(), dict.items().
struct ViewData : Object {
  enum class Part { kKeys, kValues, kItems };
  Value dict;
  Part part = Part::kKeys;
};

// A Python generator: evaluated at its first use, and used up by it.
struct IteratorData : Object {
  std::function<Values(Runtime&)> produce;  // empty once it ran
  Values items;
  std::size_t next = 0;
};

struct NamespaceData : Object {
  std::vector<std::pair<std::string, Value>> attributes;
};

struct CallArguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

// Globals, methods bound to their object, macros, loop(...).
struct FunctionData : Object {
  std::string name;
  bool macro = false;
  std::function<Value(Runtime&, CallArguments&)> call;
};

struct CyclerData : Object {
  Values items;
  std::size_t position = 0;
};

}  // namespace gpumodel::engine::text::jinja
