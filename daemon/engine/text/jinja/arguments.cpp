#include "engine/text/jinja/arguments.hpp"

#include <fmt/format.h>
#include <algorithm>

#include "engine/text/jinja/operators.hpp"

namespace gpumodel::engine::text::jinja {

Arguments::Arguments(Runtime& runtime, const std::string& what, CallArguments& given,
                     std::initializer_list<std::string_view> parameters, std::size_t required)
    : runtime_(runtime), what_(what), values_(parameters.size()), given_(parameters.size(), false) {
  if (given.positional.size() > parameters.size())
    runtime.fail(fmt::format("{}() takes at most {} arguments, {} were given", what,
                             parameters.size(), given.positional.size()));
  for (std::size_t at = 0; at < given.positional.size(); ++at) {
    values_[at] = given.positional[at];
    given_[at] = true;
  }
  for (const auto& [name, value] : given.keywords) {
    const auto* found = std::find(parameters.begin(), parameters.end(), name);
    if (found == parameters.end())
      runtime.fail(fmt::format("{}() got an unexpected keyword argument '{}'", what, name));
    const auto at = static_cast<std::size_t>(found - parameters.begin());
    if (given_[at])
      runtime.fail(fmt::format("{}() got multiple values for argument '{}'", what, name));
    values_[at] = value;
    given_[at] = true;
  }
  for (std::size_t at = 0; at < required; ++at)
    if (!given_[at])
      runtime.fail(
          fmt::format("{}() missing required argument '{}'", what, parameters.begin()[at]));
}

bool Arguments::flag(std::size_t at, bool absent) const {
  return given_[at] ? truthy(runtime_, values_[at]) : absent;
}

std::int64_t Arguments::integer(std::size_t at, std::int64_t absent) const {
  if (!given_[at]) return absent;
  if (values_[at].is(Type::kUndefined)) fail_undefined(runtime_, values_[at]);
  if (!values_[at].is_integral())
    runtime_.fail(fmt::format("{}(): '{}' object cannot be interpreted as an integer", what_,
                              type_name(values_[at])));
  return values_[at].as_int();
}

const OriginText* Arguments::string(std::size_t at, bool none_is_absent) const {
  if (!given_[at] || (none_is_absent && values_[at].is(Type::kNone))) return nullptr;
  if (!values_[at].is(Type::kString))
    runtime_.fail(fmt::format("{}(): argument {} must be str, not {}", what_, at + 1,
                              type_name(values_[at])));
  return &values_[at].get<StringData>().text;
}

}  // namespace gpumodel::engine::text::jinja
