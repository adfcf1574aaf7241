// Families of metrics, built row by row, and Prometheus' text format for them.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "broker/metrics.hpp"
#include "wire/metric_messages.hpp"

namespace gpumodel::broker {

using Labels = std::map<std::string, std::string>;

class Families {
 public:
  // Each begins a family, whose rows follow. `help` is a sentence; a counter ends in "_total".
  void counter(std::string_view name, std::string_view help) { begin(name, "counter", help); }
  void gauge(std::string_view name, std::string_view help) { begin(name, "gauge", help); }
  void histogram(std::string_view name, std::string_view help) { begin(name, "histogram", help); }

  void row(double value, Labels labels = {});
  template <std::integral T>
  void row(T value, Labels labels = {}) {
    row(static_cast<double>(value), std::move(labels));
  }
  // In seconds.
  void row(const Histogram& histogram, Labels labels = {});

  std::vector<wire::MetricFamily> take() { return std::move(all_); }

 private:
  void begin(std::string_view name, const char* type, std::string_view help);

  std::vector<wire::MetricFamily> all_;
};

// Version 0.0.4 of the format. A family without rows is left out.
std::string exposition(const std::vector<wire::MetricFamily>& families);

}  // namespace gpumodel::broker
