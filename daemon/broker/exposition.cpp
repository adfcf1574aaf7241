#include "broker/exposition.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace gpumodel::broker {
namespace {

double seconds(Histogram::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Within a label's value; in a help text quotes stay as they are.
void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\' || (c == '"' && quotes)) out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

// Counts as they are, other numbers as short as they can be read back from.
void append_number(std::string& out, double value) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (value == std::floor(value) && std::fabs(value) <= kExact) {
    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(value));
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

void append_label(std::string& out, std::string_view name, std::string_view value) {
  out += out.back() == '{' ? "" : ",";
  out += name;
  out += "=\"";
  append_escaped(out, value, /*quotes=*/true);
  out += '"';
}

struct Line {
  std::string& out;
  const wire::MetricFamily& family;
  const wire::MetricSample& sample;

  void append(const char* suffix, double value, std::string_view up_to = {}) const {
    out += family.name;
    out += suffix;
    if (!sample.labels.empty() || !up_to.empty()) {
      out += '{';
      for (const auto& [name, text] : sample.labels) append_label(out, name, text);
      if (!up_to.empty()) append_label(out, "le", up_to);
      out += '}';
    }
    out += ' ';
    append_number(out, value);
    out += '\n';
  }
};

void append_histogram(const Line& line) {
  const auto count = static_cast<double>(line.sample.count.value_or(0));
  std::string bound;
  for (const auto& [up_to, below] : line.sample.buckets) {
    bound.clear();
    append_number(bound, up_to);
    line.append("_bucket", static_cast<double>(below), bound);
  }
  line.append("_bucket", count, "+Inf");
  line.append("_sum", line.sample.sum.value_or(0));
  line.append("_count", count);
}

}  // namespace

void Families::begin(std::string_view name, const char* type, std::string_view help) {
  all_.push_back({std::string(name), type, std::string(help), {}});
}

void Families::row(double value, Labels labels) {
  all_.back().samples.push_back({std::move(labels), value, std::nullopt, std::nullopt, {}});
}

void Families::row(const Histogram& histogram, Labels labels) {
  wire::MetricSample sample{
      std::move(labels), std::nullopt, histogram.count(), seconds(histogram.sum()), {}};
  std::size_t bound = 0;
  for (const Histogram::Duration up_to : histogram.bounds())
    sample.buckets.emplace_back(seconds(up_to), histogram.count_up_to(bound++));
  all_.back().samples.push_back(std::move(sample));
}

std::string exposition(const std::vector<wire::MetricFamily>& families) {
  std::string out;
  for (const wire::MetricFamily& family : families) {
    if (family.samples.empty()) continue;
    out += "# HELP " + family.name + ' ';
    append_escaped(out, family.help, /*quotes=*/false);
    out += "\n# TYPE " + family.name + ' ' + family.type + '\n';
    for (const wire::MetricSample& sample : family.samples) {
      const Line line{out, family, sample};
      if (sample.value) {
        line.append("", *sample.value);
      } else {
        append_histogram(line);
      }
    }
  }
  return out;
}

}  // namespace gpumodel::broker
