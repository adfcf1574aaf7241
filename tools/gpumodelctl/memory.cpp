#include "gpumodelctl/memory.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "gpumodelctl/facts.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kWidestBar = 60;
constexpr std::size_t kNarrowestBar = 10;
constexpr const char* kHostCache = "host cache";

struct Line {
  std::string name;
  std::vector<Share> shares;
  std::uint64_t used = 0;
  std::uint64_t capacity = 0;
};

Line host_cache_line(const ordered_json& cache) {
  Line line{kHostCache, {}, number(at(cache, "used_bytes")), number(at(cache, "capacity_bytes"))};
  const std::uint64_t free = line.capacity - std::min(line.capacity, line.used);
  line.shares = {{"weights", line.used, '#', Tone::blue}, {"free", free, '.', Tone::dim, true}};
  return line;
}

std::string figures(const Line& line) {
  return fmt::format("{} of {} used", format_bytes(line.used), format_bytes(line.capacity));
}

// The legend in as many lines as it needs.
std::string legend_text(const Line& line, std::size_t indent, const View& view) {
  std::string out, text;
  const auto end_line = [&] {
    out += std::string(indent, ' ') + text + '\n';
    text.clear();
  };
  for (const std::string& part : legend(line.shares, view)) {
    const std::size_t width = indent + shown_width(text) + 2 + shown_width(part);
    if (!text.empty() && view.columns != 0 && width > view.columns) end_line();
    text += (text.empty() ? "" : "  ") + part;
  }
  if (!text.empty()) end_line();
  return out;
}

}  // namespace

std::vector<Share> device_shares(const ordered_json& status, const ordered_json& device) {
  std::uint64_t weights = 0, kv = 0;
  for (const auto& row : at(status, "weights")) {
    if (at(row, "device") != at(device, "name") || at(row, "residency") != "device") continue;
    weights += number(at(row, "tensor_bytes"));
    kv += number(at(row, "kv_bytes"));
  }
  const std::uint64_t used = number(at(device, "used_bytes"));
  weights = std::min(weights, used);
  kv = std::min(kv, used - weights);
  std::uint64_t left = number(at(device, "capacity_bytes"));
  left -= std::min(left, used);
  const std::uint64_t free = std::min(left, number(at(device, "free_bytes")));
  const std::uint64_t foreign = std::min(left - free, number(at(device, "foreign_bytes")));
  return {{"weights", weights, '#', Tone::blue},
          {"KV", kv, '=', Tone::cyan},
          {"other", used - weights - kv, '+', Tone::magenta},
          {"foreign", foreign, '%', Tone::warning},
          {"kept free", left - free - foreign, '-', Tone::plain},
          {"free", free, '.', Tone::dim, true}};
}

std::string memory_text(const ordered_json& status, const View& view) {
  std::vector<Line> lines;
  for (const auto& device : at(status, "devices"))
    lines.push_back({tamed(words(at(device, "name"))), device_shares(status, device),
                     number(at(device, "used_bytes")), number(at(device, "capacity_bytes"))});
  if (number(at(at(status, "host_cache"), "capacity_bytes")) != 0)
    lines.push_back(host_cache_line(at(status, "host_cache")));
  std::size_t names = 0, texts = 0;
  for (const Line& line : lines) {
    names = std::max(names, shown_width(line.name));
    texts = std::max(texts, figures(line).size());
  }
  const std::size_t around = names + 2 + 3 + texts;  // name, gap, brackets, gap, figures
  const std::size_t room = view.columns > around ? view.columns - around : 0;
  const std::size_t cells =
      view.columns == 0 ? kWidestBar : std::clamp(room, kNarrowestBar, kWidestBar);
  std::string out;
  for (const Line& line : lines) {
    out += fmt::format("{}{}  [{}] {}\n", painted(Tone::title, line.name, view.colour),
                       std::string(names - shown_width(line.name), ' '),
                       bar(line.shares, cells, view), figures(line));
    out += legend_text(line, names + 3, view);
  }
  return out;
}

}  // namespace gpumodelctl
