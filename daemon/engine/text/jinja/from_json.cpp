#include "engine/text/jinja/from_json.hpp"

#include <limits>
#include <nlohmann/json.hpp>

namespace gpumodel::engine::text::jinja {
namespace {

constexpr unsigned kMaxDepth = 150;

Value convert(Runtime& runtime, const nlohmann::ordered_json& json, Origin origin, unsigned depth) {
  using Kind = nlohmann::ordered_json::value_t;
  if (depth > kMaxDepth) runtime.fail("the template's input is nested too deeply");
  runtime.step();
  switch (json.type()) {
    case Kind::null:
      return Value::none();
    case Kind::boolean:
      return Value::boolean(json.get<bool>());
    case Kind::number_integer:
      return Value::integer(json.get<std::int64_t>());
    case Kind::number_unsigned:
      if (json.get<std::uint64_t>() >
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        runtime.fail("an integer of the template's input does not fit 64 bits");
      return Value::integer(json.get<std::int64_t>());
    case Kind::number_float:
      return Value::real(json.get<double>());
    case Kind::string:
      return runtime.string(OriginText(json.get_ref<const std::string&>(), origin));
    case Kind::array: {
      Values items;
      runtime.check_elements(json.size());
      items.reserve(json.size());
      for (const auto& item : json) items.push_back(convert(runtime, item, origin, depth + 1));
      return runtime.list(std::move(items));
    }
    case Kind::object: {
      DictBuilder dict(runtime);
      for (const auto& [key, value] : json.items())
        dict.set(runtime.string(OriginText(key, origin)),
                 convert(runtime, value, origin, depth + 1));
      return dict.take();
    }
    case Kind::binary:
    case Kind::discarded:
      break;
  }
  runtime.fail("the template's input holds binary data");
}

}  // namespace

Value from_json(Runtime& runtime, const nlohmann::ordered_json& json, Origin origin) {
  return convert(runtime, json, origin, 0);
}

}  // namespace gpumodel::engine::text::jinja
