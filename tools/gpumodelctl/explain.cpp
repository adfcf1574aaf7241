#include "gpumodelctl/explain.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/format.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;
using Align = Table::Align;

std::string refused_words(const ordered_json& plan) {
  const auto& missing = at(plan, "missing_bytes");
  const bool counted = missing.is_number() && missing.get<double>() > 0;
  return fmt::format("cannot be granted: {}{}", words(at(plan, "error")),
                     counted ? fmt::format(", {} missing", bytes(missing)) : "");
}

std::string granted_words(const ordered_json& plan) {
  const auto& total = at(plan, "total_ms");
  const std::string when = total.is_number() ? "in about " + time(total) : "in an unknown time";
  return at(plan, "fits") == true ? fmt::format("fits, {}", when)
                                  : fmt::format("must wait for other holders; {}", when);
}

}  // namespace

std::string plan_text(const ordered_json& plan, const std::vector<std::string>& models,
                      const View& view) {
  const bool refused = !at(plan, "error").is_null();
  const bool fits = at(plan, "fits") == true;
  const Tone tone = refused ? Tone::bad : fits ? Tone::good : Tone::warning;
  std::string out =
      tamed(joined(models)) + ": " +
      painted(tone, tamed(refused ? refused_words(plan) : granted_words(plan)), view.colour) + '\n';
  Table table({{"STEP"}, {"MODEL"}, {"DEVICE"}, {"BYTES", Align::right}, {"TIME", Align::right}});
  for (const auto& step : at(plan, "steps")) {
    std::string action = words(at(step, "action"));
    std::replace(action.begin(), action.end(), '_', ' ');
    table.add({action, words(at(step, "model")), words(at(step, "device")),
               bytes(at(step, "bytes")), time(at(step, "ms"))});
  }
  return table.empty() ? out : out + '\n' + table.text(view);
}

std::string why_text(const ordered_json& why, const View& view) {
  std::string out =
      painted(Tone::title, tamed(words(at(why, "model"))), view.colour) + " is " +
      tamed(fmt::format("{}: {}", words(at(why, "state")), words(at(why, "reason")))) + '\n';
  Table table({{"WHEN"}, {"DECISION"}, {"REASON"}});
  for (const auto& decision : at(why, "decisions"))
    table.add({wall_time(at(decision, "time_ms")), words(at(decision, "action")),
               words(at(decision, "reason"))});
  return table.empty() ? out : out + '\n' + table.text(view);
}

}  // namespace gpumodelctl
