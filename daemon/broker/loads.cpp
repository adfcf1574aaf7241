#include "broker/loads.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "broker/log_messages.hpp"

namespace gpumodel::broker {
namespace {

using core::HostImage;

std::string number(std::uint64_t value) { return std::to_string(value); }

// Its image is at fault, not the model.
bool blames_image(const wire::Error& error) {
  return error.code == wire::Code::model_bad && !error.detail.empty() &&
         wire::decode_bytes<wire::ImageFault>(error.detail).image;
}

}  // namespace

Loads::Loads(asio::io_context& io, const Log& log, const Catalog& catalog, Outcomes& outcomes)
    : io_(io),
      log_(log),
      catalog_(catalog),
      outcomes_(outcomes),
      known_answers_(io, log, [&outcomes](core::DeviceId device) -> Engine& {
        return outcomes.engine(device);
      }) {}

bool Loads::is_resident(core::WeightsId weights) const {
  return weights && std::any_of(residents_.begin(), residents_.end(), [&](const auto& entry) {
           return entry.second.load.weights == weights;
         });
}

std::uint64_t Loads::unmapped_image_bytes() const {
  std::set<core::WeightsId> mapped;
  for (const auto& [id, resident] : residents_)
    if (resident.load.image != HostImage::none) mapped.insert(resident.load.weights);
  for (const auto& [weights, device] : fills_) mapped.insert(weights);
  return images_.bytes_without(mapped);
}

void Loads::load(const core::Load& load) {
  log_.info(load.is_adapter ? messages::kLoadingAdapter : messages::kLoading,
            {{"MODEL", catalog_.at(load.model).config.name},
             {"DEVICE", outcomes_.engine(load.device).device().name},
             {"BYTES", number(load.need.total())},
             {"FROM", load.image == HostImage::use ? "host" : "disk"}});
  load.is_adapter ? send_adapter(load) : send(load);
}

void Loads::send_adapter(const core::Load& load) {
  const WeightsFolder& folder = catalog_.folder_of(load.weights);
  residents_[load.resident] = {load, false};
  outcomes_.engine(load.device)
      .load_adapter(
          {load.resident.value, folder.path, folder.adapter_path, folder.facts.adapter->identity});
}

wire::LoadParams Loads::params_of(const core::Load& load) const {
  const WeightsFolder& folder = catalog_.folder_of(load.weights);
  wire::LoadParams params;
  params.weights = load.resident.value;
  params.path = folder.path;
  params.dtype = folder.dtype;
  params.identity = folder.facts.identity;
  params.context_tokens = load.context_tokens;
  params.kv_bytes = load.need.kv_bytes;
  params.workspace_bytes = load.need.workspace_bytes;
  return params;
}

void Loads::send(const core::Load& wanted) {
  core::Load load = wanted;
  wire::LoadParams params = params_of(load);
  std::optional<HostImages::Handed> image;
  if (load.image == HostImage::fill) {
    image = images_.create(load.weights, catalog_.folder_of(load.weights).facts.image_bytes);
  } else if (load.image == HostImage::use) {
    image = images_.hand_out(load.weights);
  }
  if (load.image != HostImage::none && !image) {
    log_.warning(messages::kImageUnusable, {{"MODEL", catalog_.at(load.model).config.name}});
    if (load.image == HostImage::use) outcomes_.image_lost(load.weights);
    load.image = HostImage::none;
  }
  bool verifies = false;
  os::Fd fd;
  if (image) {
    verifies = image->verify;
    params.image = {std::string(load.image == HostImage::fill ? wire::kImageFill : wire::kImageUse),
                    image->bytes, image->checksum, image->verify};
    fd = std::move(image->fd);
  }
  residents_[load.resident] = {load, verifies};
  outcomes_.engine(load.device).load(params, std::move(fd));
}

void Loads::cancel(const core::CancelLoad& cancel) {
  outcomes_.engine(cancel.device).cancel_load(cancel.resident);
}

void Loads::unload(const core::Unload& unload) {
  residents_.erase(unload.resident);
  known_answers_.unloading(unload.device, unload.resident);
  outcomes_.engine(unload.device).unload(unload.resident);
}

void Loads::fill(const core::FillImage& fill) {
  const WeightsFolder& folder = catalog_.folder_of(fill.weights);
  auto image = images_.create(fill.weights, folder.facts.image_bytes);
  if (!image) {
    asio::post(io_, alive_.guard([this, weights = fill.weights] {
      outcomes_.not_filled(weights, "the system has no memory for an image");
    }));
    return;
  }
  wire::FillParams params;
  params.path = folder.path;
  params.dtype = folder.dtype;
  params.identity = folder.facts.identity;
  params.image_bytes = image->bytes;
  fills_[fill.weights] = fill.device;
  outcomes_.engine(fill.device).fill(fill.weights, params, std::move(image->fd));
}

void Loads::cancel_fill(core::WeightsId weights) {
  const auto found = fills_.find(weights);
  if (found != fills_.end()) outcomes_.engine(found->second).cancel_fill(weights);
}

void Loads::on_loaded(core::ResidentId id, const wire::LoadResult& result) {
  const auto found = residents_.find(id);
  if (found == residents_.end()) return;
  const core::Load& load = found->second.load;
  log_.info(load.is_adapter ? messages::kLoadedAdapter : messages::kLoaded,
            {{"MODEL", catalog_.at(load.model).config.name}, {"MS", number(result.ms)}});
  if (found->second.verifies) images_.verified(load.weights);
  if (!known_answers_.must_check(load.device, load.weights)) return believe(id, result);
  known_answers_.check(load.device, id, load.weights,
                       [this, id, result](const std::optional<std::string>& wrong) {
                         const auto checked = residents_.find(id);
                         if (checked == residents_.end()) return;
                         if (!wrong) return believe(id, result);
                         outcomes_.engine(checked->second.load.device).kill(*wrong);
                       });
}

void Loads::believe(core::ResidentId id, const wire::LoadResult& result) {
  const core::Load load = residents_.at(id).load;
  const bool image_complete = load.image == HostImage::fill && result.image_checksum.has_value();
  if (image_complete) images_.complete(load.weights, *result.image_checksum);
  if (!load.is_adapter) known_answers_.loaded(load.device, id, load.weights);
  outcomes_.loaded(id, {result.tensor_bytes, result.kv_bytes, result.workspace_bytes},
                   image_complete);
}

void Loads::on_load_failed(core::ResidentId id, const wire::Error& error) {
  const auto found = residents_.find(id);
  if (found == residents_.end()) return outcomes_.not_loaded(id, error);
  core::Load load = found->second.load;
  const std::string name = catalog_.at(load.model).config.name;
  residents_.erase(found);
  if (load.image == HostImage::use && blames_image(error)) {
    log_.error(messages::kImageDamaged, {{"MODEL", name}});
    images_.drop(load.weights);
    outcomes_.image_lost(load.weights);
    load.image = HostImage::none;
    return send(load);
  }
  if (load.image == HostImage::fill) images_.drop(load.weights);
  if (error.code != wire::Code::interrupted)
    log_.error(messages::kLoadFailed, {{"MODEL", name}, {"REASON", error.message}});
  outcomes_.not_loaded(id, error);
}

void Loads::on_filled(core::WeightsId weights, const wire::FillResult& result) {
  fills_.erase(weights);
  images_.complete(weights, result.image_checksum);
  outcomes_.filled(weights);
}

void Loads::on_fill_failed(core::WeightsId weights, const wire::Error& error) {
  fills_.erase(weights);
  images_.drop(weights);
  outcomes_.not_filled(weights, error.message);
}

void Loads::on_lost(core::DeviceId device) {
  std::erase_if(residents_, [&](const auto& entry) { return entry.second.load.device == device; });
  std::erase_if(fills_, [&](const auto& entry) { return entry.second == device; });
  images_.doubt_all();
  known_answers_.lost(device);
}

}  // namespace gpumodel::broker
