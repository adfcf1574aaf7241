// The structs of PROTOCOL.md's method `metrics`.
#pragma once

#include <map>

#include "wire/codec.hpp"

namespace gpumodel::wire {

struct MetricsParams {
  std::string format = "text";

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("format", self.format);
  }
};

// One row of a family: a value, or what a histogram has counted.
struct MetricSample {
  std::map<std::string, std::string> labels;
  std::optional<double> value;
  std::optional<std::uint64_t> count;
  std::optional<double> sum;
  std::vector<std::pair<double, std::uint64_t>>
      buckets;  // upper bound, and how many are not above it

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("labels", self.labels);
    visit("value", self.value);
    visit("count", self.count);
    visit("sum", self.sum);
    visit("buckets", self.buckets);
  }
};

struct MetricFamily {
  std::string name;
  std::string type;  // "counter", "gauge" or "histogram"
  std::string help;
  std::vector<MetricSample> samples;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("name", self.name);
    visit("type", self.type);
    visit("help", self.help);
    visit("samples", self.samples);
  }
};

// What was not asked for is nil.
struct MetricsResult {
  std::optional<std::string> text;
  std::optional<std::vector<MetricFamily>> families;

  template <class Self, class V>
  static void fields(Self& self, V&& visit) {
    visit("text", self.text);
    visit("families", self.families);
  }
};

}  // namespace gpumodel::wire
