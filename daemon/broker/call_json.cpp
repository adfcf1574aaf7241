#include "broker/call_json.hpp"

#include <nlohmann/json.hpp>

#include "wire/error.hpp"
#include "wire/limits.hpp"

namespace gpumodel::broker {
namespace {

using Json = nlohmann::json;
constexpr wire::FrameLimits kLimits;

[[noreturn]] void refuse(const std::string& what) {
  throw wire::Error(wire::Code::invalid, "params: " + what);
}

}  // namespace

std::string json_to_msgpack(std::string_view json) {
  std::uint32_t values = 0;
  // Runs while the text is read, so that neither depth nor number outgrow their limits first.
  const auto bounded = [&](int depth, Json::parse_event_t event, Json&) {
    if (depth > static_cast<int>(kLimits.depth)) refuse("nested deeper than 32");
    if (event != Json::parse_event_t::array_end && event != Json::parse_event_t::object_end &&
        ++values > kLimits.values)
      refuse("more than 1,048,576 values");
    return true;
  };
  try {
    const Json parsed = Json::parse(json, bounded);
    if (!parsed.is_object()) refuse("expected a JSON object");
    std::string out;
    Json::to_msgpack(parsed, nlohmann::detail::output_adapter<char>(out));
    return out;
  } catch (const Json::exception& error) {
    refuse(std::string("not JSON: ") + error.what());
  }
}

std::string msgpack_to_json(std::string_view msgpack) {
  return Json::from_msgpack(msgpack).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace gpumodel::broker
