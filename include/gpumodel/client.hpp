// One connection to the daemon.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lease.hpp"
#include "request.hpp"

namespace gpumodel {

class Client {
 public:
  Client() = default;

  static Result<Client> try_open(const ClientOptions& options = {}) {
    detail::Texts texts;
    gm_client_options raw = GM_CLIENT_OPTIONS_INIT;
    raw.socket_path = texts.optional("socket_path", options.socket_path);
    raw.app_name = texts.optional("app_name", options.app_name);
    raw.timeout_ms = options.timeout.ms();
    raw.flags = options.return_on_signal ? GM_CLIENT_RETURN_ON_SIGNAL : 0;
    if (texts.fault()) return *texts.fault();
    detail::SharedHandler handler;
    if (options.on_event) {
      handler = std::make_shared<detail::Handler>(detail::Handler{options.on_event});
      raw.on_event = detail::Handler::call;
      raw.user = handler.get();
    }
    gm_client* client = nullptr;
    const Code code = gm_client_open(&raw, &client);
    if (code < 0) return Error::last(code);
    return Client(client, std::move(handler));
  }

  // Releases every lease of the connection without waiting for it. Leases and streams may outlive
  // it.
  void close() noexcept { client_.reset(); }

  // Any thread and any signal handler: every call that is blocked, or else the next one that would
  // block, gives GM_E_INTERRUPTED once.
  void interrupt() noexcept { gm_client_interrupt(client_.get()); }

  // For programs with an event loop: poll fd() for poll_events(), wake after poll_timeout(), call
  // dispatch(0ms), then look at pending leases and streams. Ask all three again before each poll.
  int fd() const noexcept { return gm_client_fd(client_.get()); }
  short poll_events() const noexcept {
    return static_cast<short>(gm_client_poll_events(client_.get()));
  }
  // In ms, as poll(2) and epoll_wait(2) take it; -1: no limit.
  int poll_timeout() const noexcept { return gm_client_poll_timeout(client_.get()); }
  // Whether something came for this client and was handled.
  Result<bool> try_dispatch(Timeout timeout = kWaitForever) {
    const Code code = gm_client_dispatch(client_.get(), timeout.ms());
    if (code < 0) return Error::last(code);
    return code == GM_OK;
  }

  Result<std::vector<ModelInfo>> try_models(Timeout timeout = kWaitForever) {
    gm_models* raw = nullptr;
    const Code code = gm_models_get(client_.get(), timeout.ms(), &raw);
    if (code < 0) return Error::last(code);
    const detail::Owned<gm_models> owned(raw);
    std::vector<ModelInfo> models(gm_models_count(raw));
    for (std::size_t i = 0; i < models.size(); ++i) {
      gm_model_info info = GM_MODEL_INFO_INIT;
      const Code at = gm_models_at(raw, i, &info);
      if (at < 0) return Error::last(at);
      models[i] = {info.name,
                   info.architecture,
                   info.dtype,
                   info.parameters,
                   info.device_bytes,
                   info.context_tokens,
                   static_cast<ModelState>(info.state),
                   info.leases,
                   info.waiting};
    }
    return models;
  }

  // Any method of the daemon's protocol, params and result as JSON objects; empty params: {}.
  Result<std::string> try_call_json(std::string_view method, std::string_view params = {},
                                    Timeout timeout = kWaitForever) {
    const std::string name(method), object(params);
    detail::Texts texts;
    const char* raw_name = texts.check("method", name);
    const char* raw_params = texts.optional("params", object);
    if (texts.fault()) return *texts.fault();
    char* result = nullptr;
    const Code code = gm_call_json(client_.get(), raw_name, raw_params, timeout.ms(), &result);
    if (code < 0) return Error::last(code);
    const detail::Owned<char> owned(result);
    return std::string(result);
  }

  // From now on, or with false no longer, the daemon's own events reach on_event.
  Result<void> try_subscribe(bool on = true, Timeout timeout = kWaitForever) {
    const Code code = gm_subscribe(client_.get(), on ? 1 : 0, timeout.ms());
    if (code < 0) return Error::last(code);
    return {};
  }

  // Waits until the model is ready and the lease is held.
  Result<Lease> try_acquire(std::string_view model, const LeaseOptions& options = {}) {
    Result<std::vector<Lease>> leases = try_acquire_all({std::string(model)}, options);
    if (!leases) return leases.error();
    return std::move(leases->front());
  }
  // All of them or none, in this order; 1 to 16. A name given twice gives two leases.
  Result<std::vector<Lease>> try_acquire_all(const std::vector<std::string>& models,
                                             const LeaseOptions& options = {}) {
    return take(gm_lease_acquire_all, models, options);
  }
  // The same without waiting: the leases are pending. Ask Lease::poll(), or free them to give up.
  Result<std::vector<Lease>> try_begin(const std::vector<std::string>& models,
                                       const LeaseOptions& options = {}) {
    return take(gm_lease_begin, models, options);
  }

#if GPUMODEL_EXCEPTIONS
  static Client open(const ClientOptions& options = {}) {
    return detail::unwrap(try_open(options));
  }
  bool dispatch(Timeout timeout = kWaitForever) { return detail::unwrap(try_dispatch(timeout)); }
  std::vector<ModelInfo> models(Timeout timeout = kWaitForever) {
    return detail::unwrap(try_models(timeout));
  }
  std::string call_json(std::string_view method, std::string_view params = {},
                        Timeout timeout = kWaitForever) {
    return detail::unwrap(try_call_json(method, params, timeout));
  }
  void subscribe(bool on = true, Timeout timeout = kWaitForever) {
    detail::unwrap(try_subscribe(on, timeout));
  }
  Lease acquire(std::string_view model, const LeaseOptions& options = {}) {
    return detail::unwrap(try_acquire(model, options));
  }
  std::vector<Lease> acquire_all(const std::vector<std::string>& models,
                                 const LeaseOptions& options = {}) {
    return detail::unwrap(try_acquire_all(models, options));
  }
  std::vector<Lease> begin(const std::vector<std::string>& models,
                           const LeaseOptions& options = {}) {
    return detail::unwrap(try_begin(models, options));
  }
#endif

  gm_client* handle() const noexcept { return client_.get(); }
  explicit operator bool() const noexcept { return client_ != nullptr; }

 private:
  Client(gm_client* client, detail::SharedHandler handler) noexcept
      : handler_(std::move(handler)), client_(client) {}

  template <class Call>
  Result<std::vector<Lease>> take(Call call, const std::vector<std::string>& models,
                                  const LeaseOptions& options) {
    detail::Texts texts;
    std::vector<const char*> names;
    for (const std::string& model : models) names.push_back(texts.check("a model's name", model));
    if (texts.fault()) return *texts.fault();
    gm_lease_options raw = GM_LEASE_OPTIONS_INIT;
    raw.wait_ms = options.wait.ms();
    raw.context_tokens = options.context_tokens;
    if (options.only_if_ready) raw.flags |= GM_LEASE_ONLY_IF_READY;
    if (options.wait_foreign) raw.flags |= GM_LEASE_WAIT_FOREIGN;
    std::vector<gm_lease*> granted(models.size());
    std::vector<Lease> leases;
    leases.reserve(models.size());  // before the call: what it gives must find a place
    const Code code = call(client_.get(), names.data(), names.size(), &raw, granted.data());
    if (code < 0) return Error::last(code);
    for (gm_lease* lease : granted) leases.push_back(Lease(lease, handler_));
    return leases;
  }

  detail::SharedHandler handler_;
  detail::Owned<gm_client> client_;
};

}  // namespace gpumodel
