#include "broker/prefetches.hpp"

#include "broker/words.hpp"

namespace gpumodel::broker {

Prefetches::Prefetches(Catalog& catalog, Conductor& conductor, Inspector& inspector)
    : catalog_(catalog), conductor_(conductor), inspector_(inspector) {}

void Prefetches::prefetch(core::RequestId request, const Peer& peer,
                          const wire::PrefetchParams& params, Reply reply) {
  const auto models = catalog_.require_all(params.models, peer);
  conductor_.require_devices(models);
  waiting_.emplace(request, reply);
  inspector_.freshen(models, [this, request, models, reply](const wire::Error* error) {
    if (!waiting_.contains(request)) return;
    if (error != nullptr) {
      waiting_.erase(request);
      return reply.fail(*error);
    }
    conductor_.decide([&](core::Core& core, core::Time now) {
      return core.prefetch(now, request, reply.session(), models);
    });
  });
}

void Prefetches::prefetched(const core::Prefetched& prefetched) {
  const auto found = waiting_.extract(prefetched.request);
  if (found.empty()) return;
  wire::PrefetchResult result;
  for (const core::Prefetched::Row& row : prefetched.rows)
    result.models.push_back(
        {catalog_.at(row.model).config.name, word(row.residency), word(row.action)});
  found.mapped().ok(result);
}

bool Prefetches::refused(const core::Refused& refused, const wire::Error& error) {
  const auto found = waiting_.extract(refused.request);
  if (found.empty()) return false;
  found.mapped().fail(error);
  return true;
}

}  // namespace gpumodel::broker
