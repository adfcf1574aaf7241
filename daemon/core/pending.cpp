// The smallest answers to what is not decided yet.
#include "core/state.hpp"

namespace gpumodel::core {

void Core::State::remove_model(ModelId model) {
  if (const ModelEntry* entry = catalog_.find(model)) set_model_bad(model, entry->name, "removed");
}
void Core::State::set_config(const CoreConfig& config) { config_ = config; }
void Core::State::prefetch(RequestId request, SessionId, const std::vector<ModelId>& models) {
  Prefetched answer{request, {}};
  for (const ModelId model : models) answer.rows.push_back({model, {}, Tier::disk, {}});
  emit(std::move(answer));
}
void Core::State::unload(RequestId request, ModelId model, bool, SessionId) {
  refuse(request, {.code = Refusal::Code::busy, .model = model});
}
void Core::State::pin(ModelId, bool) {}
void Core::State::yield(const YieldRequest& request) {
  refuse(request.request, {.code = Refusal::Code::busy});
}
void Core::State::unyield(YieldId) {}
void Core::State::revoke(LeaseId lease, std::string reason) {
  if (leases_.find(lease) == nullptr) return;
  emit(LeaseEnded{lease, std::move(reason)});
  end_lease(lease);
}
void Core::State::drain_device(DeviceId, bool) {}
void Core::State::memory_read(DeviceId, std::optional<Bytes>) {}
void Core::State::image_filled(WeightsId) {}
void Core::State::image_failed(WeightsId, std::string) {}
void Core::State::image_lost(WeightsId) {}
void Core::State::host_pressure(Bytes) {}
PlanReport Core::State::plan(Time, std::uint32_t, const std::vector<ModelId>& models) const {
  PlanReport report;
  report.error = impossible(models);
  return report;
}
WhyReport Core::State::why(Time now, ModelId model) const {
  const ModelEntry* entry = catalog_.find(model);
  if (entry == nullptr) return {};
  return {model_row(*entry, now).state, entry->error};
}

}  // namespace gpumodel::core
