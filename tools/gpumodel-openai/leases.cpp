#include "gpumodel-openai/leases.hpp"

namespace gpumodel_openai {
namespace {

using Clock = std::chrono::steady_clock;

gpumodel::Client connect(const std::string& socket) {
  gpumodel::ClientOptions options;
  options.socket_path = socket;
  options.app_name = "gpumodel-openai";
  gpumodel::Result<gpumodel::Client> client = gpumodel::Client::try_open(options);
  if (!client) throw api_error_of(client.error());
  return std::move(*client);
}

}  // namespace

Leases::Leases(LeaseSettings settings) : settings_(std::move(settings)) {
  reaper_ = std::thread([this] { release_idle(); });
}

Leases::~Leases() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  reaper_.join();
}

void Leases::acquire(Held& held, const std::string& model) {
  held.client = connect(settings_.socket);
  gpumodel::LeaseOptions options;
  options.wait = settings_.wait;
  gpumodel::Result<gpumodel::Lease> lease = held.client.try_acquire(model, options);
  if (!lease) throw api_error_of(lease.error());
  held.lease = std::move(*lease);
}

Leases::Use Leases::take(const std::string& model) {
  std::shared_ptr<Held> held;
  {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Held>& slot = held_[model];
    if (!slot || slot->is_broken) slot = std::make_shared<Held>();
    held = slot;
    ++held->users;
  }
  Use use(*this, model, held);
  const std::unique_lock acquiring(held->mutex, settings_.wait);
  if (!acquiring) {
    ApiError busy(429, "rate_limit_error", "the model is not there yet", {}, "GM_E_BUSY");
    busy.retry_after_s = 1;
    throw busy;
  }
  if (held->error) throw *held->error;
  if (held->lease) return use;
  try {
    acquire(*held, model);
  } catch (const ApiError& error) {
    held->error = error;
    use.set_broken();
    throw;
  }
  return use;
}

void Leases::Use::set_broken() {
  const std::lock_guard lock(leases_->mutex_);
  held_->is_broken = true;
}

void Leases::give_back(const std::string& model, const std::shared_ptr<Held>& held) {
  const std::lock_guard lock(mutex_);
  held->idle_since = Clock::now();
  if (--held->users > 0) return;
  const auto slot = held_.find(model);
  const bool is_kept = settings_.keep.count() > 0 && !held->is_broken;
  if (slot != held_.end() && slot->second == held && !is_kept) held_.erase(slot);
  changed_.notify_all();
}

void Leases::release_idle() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    auto next = Clock::time_point::max();
    for (auto slot = held_.begin(); slot != held_.end();) {
      const Held& held = *slot->second;
      const auto until = held.idle_since + settings_.keep;
      if (held.users == 0 && until <= Clock::now()) {
        slot = held_.erase(slot);
        continue;
      }
      if (held.users == 0) next = std::min(next, until);
      ++slot;
    }
    if (next == Clock::time_point::max())
      changed_.wait(lock);
    else
      changed_.wait_until(lock, next);
  }
}

std::vector<gpumodel::ModelInfo> Leases::models() {
  gpumodel::Client client = connect(settings_.socket);
  gpumodel::Result<std::vector<gpumodel::ModelInfo>> models =
      client.try_models(std::chrono::seconds(10));
  if (!models) throw api_error_of(models.error());
  return std::move(*models);
}

}  // namespace gpumodel_openai
