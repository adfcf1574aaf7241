// One render's budget, its current line, and the makers of values that are charged to it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/text/jinja/value.hpp"
#include "engine/text/template_error.hpp"
#include "engine/text/template_limits.hpp"

namespace gpumodel::engine::text::jinja {

// Every maker and every step may throw TemplateError when a limit is exceeded. All values made here
// must die before the Runtime does. One thread.
class Runtime {
 public:
  explicit Runtime(const TemplateLimits& limits) : limits_(limits) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const TemplateLimits& limits() const noexcept { return limits_; }

  // The line of the template that is being evaluated, for errors.
  int line = 0;

  [[noreturn]] void fail(const std::string& reason) const { throw TemplateError(line, reason); }
  // Counts `units` of work.
  void step(std::size_t units = 1) {
    steps_ += units;
    if (steps_ > limits_.steps) fail_steps();
  }
  // The work of touching `bytes` bytes once.
  void step_bytes(std::size_t bytes) { step(bytes / 32); }
  [[noreturn]] void fail_text_limit(std::size_t limit_bytes) const;
  // Refuses a string or a list that would become too large, before it is built.
  void check_string(std::size_t bytes) const;
  void check_elements(std::size_t count) const;

  Value undefined(std::string message);
  Value string(OriginText text, bool markup = false);
  // Text of the interpreter's own making (numbers, reprs) counts as input: it may depend on it.
  Value string(std::string_view text) {
    return string(OriginText(std::string(text), Origin::kInput));
  }
  Value list(Values items);
  Value tuple(Values items, bool group = false);
  Value range(std::int64_t start, std::int64_t stop, std::int64_t step);
  Value view(const Value& dict, ViewData::Part part);
  // `sources` are what `produce` holds.
  Value iterator(const Values& sources, std::function<Values(Runtime&)> produce);
  Value function(std::string name, const Values& holds,
                 std::function<Value(Runtime&, CallArguments&)> call);
  Value cycler(Values items);
  Value make_namespace();

  // One level of a walk through values that namespaces may have tied into a cycle; throws at a
  // bound.
  class Descent {
   public:
    explicit Descent(Runtime& runtime) : runtime_(runtime) {
      runtime_.check_depth(runtime_.descents_ + 1);
      ++runtime_.descents_;
    }
    ~Descent() { --runtime_.descents_; }
    Descent(const Descent&) = delete;
    Descent& operator=(const Descent&) = delete;

   private:
    Runtime& runtime_;
  };

  // For objects that other files make: depth checked and charged.
  template <class T>
  void adopt(T& object, unsigned depth, std::size_t bytes) {
    check_depth(depth);
    object.depth = depth;
    object.charge = charge(bytes + sizeof(T));
  }

 private:
  [[noreturn]] void fail_steps() const;
  void check_depth(unsigned depth) const;
  Charge charge(std::size_t bytes);

  const TemplateLimits limits_;
  std::uint64_t steps_ = 0;
  unsigned descents_ = 0;
  std::size_t live_bytes_ = 0;
  // Namespaces are the only objects that can be part of a cycle or of an endless chain: they live
  // until the render ends, so that no destructor recurses, and are then emptied one by one.
  struct Namespaces {
    std::vector<std::shared_ptr<NamespaceData>> all;
    ~Namespaces() {
      for (const auto& each : all) each->attributes.clear();
    }
  } namespaces_;
};

// A string of the template's own that belongs to no render: part of a syntax tree.
Value literal_string(std::string text);

// Builds a string value under the limits of `runtime`.
class TextBuilder {
 public:
  explicit TextBuilder(Runtime& runtime) : TextBuilder(runtime, runtime.limits().string_bytes) {}
  TextBuilder(Runtime& runtime, std::size_t limit_bytes)
      : runtime_(runtime), limit_bytes_(limit_bytes) {}
  void append(const OriginText& text) { append(text, 0, text.size()); }
  void append(const OriginText& text, std::size_t begin, std::size_t count) {
    grow(count);
    text_.append(text, begin, count);
  }
  void append(std::string_view bytes, Origin origin) {
    grow(bytes.size());
    text_.append(bytes, origin);
  }
  std::size_t size() const noexcept { return text_.size(); }
  OriginText take() { return std::move(text_); }

 private:
  void grow(std::size_t bytes) {
    if (bytes > limit_bytes_ - text_.size()) runtime_.fail_text_limit(limit_bytes_);
    runtime_.step_bytes(bytes);
  }
  Runtime& runtime_;
  const std::size_t limit_bytes_;
  OriginText text_;
};

// Collects a dict's entries; a later equal key replaces the value, as in Python.
class DictBuilder {
 public:
  explicit DictBuilder(Runtime& runtime) : runtime_(runtime), data_(std::make_shared<DictData>()) {}
  void set(const Value& key, Value value);
  // False where the key is there already.
  bool add(const Value& key);
  Value take();

 private:
  Runtime& runtime_;
  std::shared_ptr<DictData> data_;
};

// The value of `key`, or nullptr. Throws for keys that Python cannot hash.
const Value* dict_find(Runtime& runtime, const DictData& dict, const Value& key);
const Value* dict_find(Runtime& runtime, const DictData& dict, std::string_view key);

}  // namespace gpumodel::engine::text::jinja
