#include "engine/text/jinja/globals.hpp"

#include <fmt/format.h>
#include <ctime>

#include "engine/text/jinja/arguments.hpp"
#include "engine/text/jinja/operators.hpp"
#include "engine/text/jinja/print.hpp"

namespace gpumodel::engine::text::jinja {
namespace {

Value make_range(Runtime& runtime, CallArguments& given) {
  if (!given.keywords.empty()) runtime.fail("range() takes no keyword arguments");
  const Arguments arguments(runtime, "range", given, {"start", "stop", "step"}, 1);
  if (!arguments.has(1)) return runtime.range(0, arguments.integer(0, 0), 1);
  return runtime.range(arguments.integer(0, 0), arguments.integer(1, 0), arguments.integer(2, 1));
}

// Calls set(key, value) for what dict(*args, **kwargs) would hold.
template <class Set>
void dict_items(Runtime& runtime, CallArguments& given, Set set) {
  if (given.positional.size() > 1)
    runtime.fail(fmt::format("dict expected at most 1 argument, got {}", given.positional.size()));
  if (!given.positional.empty()) {
    const Value& source = given.positional[0];
    if (source.is(Type::kDict)) {
      for (const auto& [key, value] : source.get<DictData>().entries) set(key, value);
    } else {
      for (const Value& pair : iterate(runtime, source)) {
        const Values parts = iterate(runtime, pair);
        if (parts.size() != 2) runtime.fail("a dict is made of pairs");
        set(parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : given.keywords)
    set(runtime.string(OriginText(name, Origin::kTemplate)), value);
}

Value make_dict(Runtime& runtime, CallArguments& given) {
  DictBuilder dict(runtime);
  dict_items(runtime, given, [&](const Value& key, const Value& value) { dict.set(key, value); });
  return dict.take();
}

Value make_namespace(Runtime& runtime, CallArguments& given) {
  const Value made = runtime.make_namespace();
  dict_items(runtime, given, [&](const Value& key, const Value& value) {
    if (!key.is(Type::kString)) runtime.fail("the attributes of a namespace are named by strings");
    set_namespace_attribute(runtime, made.get<NamespaceData>(), key.get<StringData>().text.bytes(),
                            value);
  });
  return made;
}

Value make_joiner(Runtime& runtime, CallArguments& given) {
  const Arguments arguments(runtime, "joiner", given, {"sep"});
  const Value separator = arguments.has(0) ? arguments[0] : literal_string(", ");
  return runtime.function("joiner", {separator},
                          [separator, used = false](Runtime& rt, CallArguments& none) mutable {
                            Arguments(rt, "joiner", none, {});
                            return std::exchange(used, true) ? separator : literal_string("");
                          });
}

Value make_cycler(Runtime& runtime, CallArguments& given) {
  if (given.positional.empty()) runtime.fail("at least one item has to be provided");
  return runtime.cycler(std::move(given.positional));
}

Value raise_exception(Runtime& runtime, CallArguments& given) {
  const Arguments arguments(runtime, "raise_exception", given, {"message"}, 1);
  runtime.fail(to_text(runtime, arguments[0]).bytes());
}

Value strftime_now(Runtime& runtime, CallArguments& given) {
  const Arguments arguments(runtime, "strftime_now", given, {"format"}, 1);
  constexpr std::size_t kMaxFormat = 200;
  const OriginText* format = arguments.string(0, false);
  if (format->size() > kMaxFormat)
    runtime.fail(fmt::format("strftime_now() takes at most {} bytes", kMaxFormat));
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  // An empty result is indistinguishable from a full buffer, hence the blank that is cut off again.
  const std::string with_blank = format->bytes() + " ";
  std::string text(kMaxFormat * 64, '\0');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  const std::size_t size = std::strftime(text.data(), text.size(), with_blank.c_str(), &local);
#pragma GCC diagnostic pop
  if (size == 0) runtime.fail("strftime_now(): the date is too long");
  text.resize(size - 1);
  return runtime.string(text);
}

}  // namespace

void set_namespace_attribute(Runtime& runtime, NamespaceData& space, const std::string& name,
                             Value value) {
  if (name.starts_with('_'))
    runtime.fail(fmt::format(
        "a namespace cannot hold '{}': names with an underscore in front are reserved", name));
  runtime.step(space.attributes.size() / 16);
  for (auto& [key, old] : space.attributes)
    if (key == name) {
      old = std::move(value);
      return;
    }
  runtime.check_elements(space.attributes.size() + 1);
  space.attributes.emplace_back(name, std::move(value));
}

void add_globals(Runtime& runtime, Scope& scope) {
  const auto add = [&](const char* name, Value (*call)(Runtime&, CallArguments&)) {
    scope.variables.emplace_back(name, runtime.function(name, {}, call));
  };
  add("range", make_range);
  add("dict", make_dict);
  add("namespace", make_namespace);
  add("joiner", make_joiner);
  add("cycler", make_cycler);
  add("raise_exception", raise_exception);
  add("strftime_now", strftime_now);
}

}  // namespace gpumodel::engine::text::jinja
