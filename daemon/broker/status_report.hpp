// What `status` and `models` answer: the core's rows, and the facts that the broker keeps beside
// it.
#pragma once

#include "broker/catalog.hpp"
#include "broker/conductor.hpp"
#include "broker/generations.hpp"
#include "broker/memory_readings.hpp"
#include "broker/sessions.hpp"
#include "broker/status_rows.hpp"

namespace gpumodel::broker {

class StatusReport {
 public:
  StatusReport(const std::vector<DeviceConfig>& devices, const Catalog& catalog,
               Conductor& conductor, const MemoryReadings& readings, Sessions& sessions,
               const Generations& generations, const DaemonClock& clock);

  status::Status status(bool draining) const;
  status::Models models() const;

 private:
  status::Device device(const DeviceConfig& config, const core::Snapshot& snapshot) const;
  status::Weights weights(const core::WeightsRow& row) const;
  std::vector<status::Model> models(const core::Snapshot& snapshot) const;
  // `row`: nothing where the core does not know the model yet.
  status::Model model(const Model& model, const core::ModelRow* row) const;
  status::Lease lease(const core::LeaseRow& row) const;
  status::Waiter waiter(const core::QueueRow& row) const;
  // Nothing where the lease has ended meanwhile.
  std::optional<status::Generation> generation(const Generations::Row& row,
                                               const core::Snapshot& snapshot) const;
  status::Yield yield(const core::YieldRow& row) const;
  std::optional<std::string> device_name(std::optional<core::DeviceId> device) const;
  std::vector<std::string> names(const std::vector<core::ModelId>& models) const;

  std::vector<DeviceConfig> devices_;
  const Catalog& catalog_;
  Conductor& conductor_;
  const MemoryReadings& readings_;
  Sessions& sessions_;
  const Generations& generations_;
  const DaemonClock& clock_;
};

}  // namespace gpumodel::broker
