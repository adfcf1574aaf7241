#include "engine/io/json.hpp"

namespace gpumodel::engine::io {
namespace {

struct TooDeep {};

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& file) {
  using Event = nlohmann::json::parse_event_t;
  const auto check_depth = [](int depth, Event event, nlohmann::json&) {
    const bool opens = event == Event::object_start || event == Event::array_start;
    if (opens && depth >= kMaxJsonDepth) throw TooDeep{};
    return true;
  };
  try {
    return nlohmann::json::parse(text.begin(), text.end(), check_depth);
  } catch (const TooDeep&) {
    throw BadModel(file, "is nested more than " + std::to_string(kMaxJsonDepth) + " levels deep");
  } catch (const nlohmann::json::parse_error& error) {
    throw BadModel(file, "is not valid JSON (at byte " + std::to_string(error.byte) + ")");
  } catch (const nlohmann::json::exception&) {
    throw BadModel(file, "has a number that no program can hold");
  }
}

}  // namespace gpumodel::engine::io
