// Python's binding of call arguments to a signature, for filters, tests and methods.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/jinja/runtime.hpp"

namespace gpumodel::engine::text::jinja {

// The arguments of one call, by position in the signature.
class Arguments {
 public:
  // `what` names the function in errors; the first `required` parameters must be given.
  // Throws for surplus, unknown, repeated and missing arguments.
  Arguments(Runtime& runtime, const std::string& what, CallArguments& given,
            std::initializer_list<std::string_view> parameters, std::size_t required = 0);

  bool has(std::size_t at) const { return given_[at]; }
  const Value& operator[](std::size_t at) const { return values_[at]; }

  // Typed access with a default for what is absent; throws for another type.
  bool flag(std::size_t at, bool absent) const;  // by truth
  std::int64_t integer(std::size_t at, std::int64_t absent) const;
  // The string's text; also for None where `none_is_absent`.
  const OriginText* string(std::size_t at, bool none_is_absent = true) const;
  // The value, or none where absent.
  Value value(std::size_t at) const { return given_[at] ? values_[at] : Value::none(); }

 private:
  Runtime& runtime_;
  std::string what_;
  Values values_;
  std::vector<bool> given_;
};

}  // namespace gpumodel::engine::text::jinja
