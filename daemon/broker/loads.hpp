// Loads and fills on engines, as the core wants them: with which image of the host cache, and
// whether what comes back may be believed.
#pragma once

#include <unordered_map>

#include "broker/catalog.hpp"
#include "broker/engine.hpp"
#include "broker/host_images.hpp"
#include "broker/known_answers.hpp"
#include "broker/loop.hpp"
#include "core/effects.hpp"

namespace gpumodel::broker {

class Loads {
 public:
  // What the core is told in the end.
  class Outcomes {
   public:
    virtual void loaded(core::ResidentId resident, const core::Need& measured,
                        bool image_complete) = 0;
    virtual void not_loaded(core::ResidentId resident, const wire::Error& error) = 0;
    virtual void filled(core::WeightsId weights) = 0;
    virtual void not_filled(core::WeightsId weights, const std::string& reason) = 0;
    virtual void image_lost(core::WeightsId weights) = 0;
    virtual Engine& engine(core::DeviceId device) = 0;

   protected:
    ~Outcomes() = default;
  };

  Loads(asio::io_context& io, const Log& log, const Catalog& catalog, Outcomes& outcomes);

  // ---- effects of the core
  void load(const core::Load& load);
  void cancel(const core::CancelLoad& cancel);
  void unload(const core::Unload& unload);
  void fill(const core::FillImage& fill);
  void cancel_fill(core::WeightsId weights);
  void drop(core::WeightsId weights) { images_.drop(weights); }

  // ---- answers of engines
  void on_loaded(core::ResidentId resident, const wire::LoadResult& result);
  void on_load_failed(core::ResidentId resident, const wire::Error& error);
  void on_filled(core::WeightsId weights, const wire::FillResult& result);
  void on_fill_failed(core::WeightsId weights, const wire::Error& error);
  void on_lost(core::DeviceId device);

  // Whether these weights are on a device, or on their way up.
  bool is_resident(core::WeightsId weights) const;
  // Of images that no engine maps: they are in nobody's resident set, and yet ours.
  std::uint64_t unmapped_image_bytes() const;
  KnownAnswers& known_answers() { return known_answers_; }

 private:
  struct Resident {
    core::Load load;
    bool verifies = false;  // its image's checksum is compared
  };

  void send(const core::Load& load);
  void send_adapter(const core::Load& load);
  void believe(core::ResidentId resident, const wire::LoadResult& result);
  wire::LoadParams params_of(const core::Load& load) const;

  asio::io_context& io_;
  const Log& log_;
  const Catalog& catalog_;
  Outcomes& outcomes_;
  HostImages images_;
  KnownAnswers known_answers_;
  std::unordered_map<core::ResidentId, Resident> residents_;  // from Load to Unload or a loss
  std::unordered_map<core::WeightsId, core::DeviceId> fills_;
  Alive alive_;
};

}  // namespace gpumodel::broker
