#include "gpumodel-openai/server.hpp"

#include <httplib.h>

#include <sys/socket.h>

#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "gpumodel-openai/answer.hpp"
#include "gpumodel-openai/bearer_key.hpp"

namespace gpumodel_openai {
namespace {

using nlohmann::ordered_json;

constexpr const char* kJson = "application/json";
constexpr std::chrono::seconds kReadTimeout{10};
constexpr std::chrono::seconds kWriteTimeout{30};
// A connection that says nothing has one of the places that all share.
constexpr time_t kKeepAliveSeconds = 5;

void refuse(httplib::Response& response, const ApiError& error) {
  response.status = error.status;
  if (error.retry_after_s) response.set_header("Retry-After", std::to_string(*error.retry_after_s));
  response.set_content(error.body(), kJson);
}

void refuse_thrown(const httplib::Request&, httplib::Response& response,
                   std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const ApiError& error) {
    refuse(response, error);
  } catch (const std::exception& error) {
    refuse(response, ApiError(500, "server_error", error.what()));
  } catch (...) {
    refuse(response, ApiError(500, "server_error", "an unknown failure"));
  }
}

// What httplib itself refuses has a status and no body.
void explain_status(const httplib::Request& request, httplib::Response& response) {
  if (!response.body.empty()) return;
  const std::string what = response.status == 404
                               ? request.method + " " + request.path + " is not served"
                           : response.status == 413 ? std::string("the request's body is too long")
                                                    : "status " + std::to_string(response.status);
  refuse(response, ApiError(response.status, "invalid_request_error", what));
}

ordered_json model_json(const gpumodel::ModelInfo& model) {
  return {{"id", model.name}, {"object", "model"}, {"created", 0}, {"owned_by", "gpumodeld"}};
}

void list_models(Leases& leases, httplib::Response& response) {
  ordered_json list = {{"object", "list"}, {"data", ordered_json::array()}};
  for (const gpumodel::ModelInfo& model : leases.models())
    list["data"].push_back(model_json(model));
  response.set_content(list.dump(), kJson);
}

void show_model(Leases& leases, const std::string& name, httplib::Response& response) {
  for (const gpumodel::ModelInfo& model : leases.models())
    if (model.name == name) return response.set_content(model_json(model).dump(), kJson);
  throw ApiError(404, "invalid_request_error", "the model '" + name + "' is not configured",
                 "model", "model_not_found");
}

}  // namespace

// Counts the answers that run.
class Server::Running {
 public:
  // One of them, for as long as it is there.
  static std::shared_ptr<void> add(const std::shared_ptr<Running>& running) {
    running->change(+1);
    return {nullptr, [running](void*) { running->change(-1); }};
  }
  void wait_for_none(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, limit, [this] { return count_ == 0; });
  }

 private:
  void change(int by) {
    const std::lock_guard lock(mutex_);
    count_ += by;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

namespace {

// A lease that was kept may have ended since with its daemon or by a revocation: once, another.
std::shared_ptr<Answer> begin(Leases& leases, const ApiRequest& request) {
  try {
    return std::make_shared<Answer>(leases, request);
  } catch (const ApiError& error) {
    if (error.code != "GM_E_DISCONNECTED" && error.code != "GM_E_LEASE_LOST") throw;
  }
  return std::make_shared<Answer>(leases, request);
}

void generate(Leases& leases, Endpoint endpoint, std::shared_ptr<void> running,
              const httplib::Request& request, httplib::Response& response) {
  const ApiRequest parsed = parse_request(endpoint, request.body);
  const bool streams = parsed.stream;
  const std::shared_ptr<Answer> answer = begin(leases, parsed);
  if (streams) response.set_header("Cache-Control", "no-cache");
  response.set_chunked_content_provider(
      streams ? "text/event-stream" : kJson,
      [answer, running = std::move(running)](std::size_t, httplib::DataSink& sink) {
        const Client client{
            [&sink](const std::string& text) { return sink.write(text.data(), text.size()); },
            [&sink] { return sink.is_writable(); }};
        if (!answer->write(client)) return false;
        sink.done();
        return true;
      });
}

}  // namespace

class Server::Http : public httplib::Server {
 public:
  // One that listens already.
  void adopt(int fd) { svr_sock_ = fd; }
};

Server::Server(Leases& leases, ServerSettings settings)
    : fd_(settings.fd), running_(std::make_shared<Running>()), http_(std::make_unique<Http>()) {
  Http& http = *http_;
  http.adopt(settings.fd);
  http.new_task_queue = [threads = settings.connections] {
    return new httplib::ThreadPool(threads);
  };
  http.set_payload_max_length(settings.body_bytes);
  http.set_read_timeout(kReadTimeout);
  http.set_write_timeout(kWriteTimeout);
  http.set_keep_alive_timeout(kKeepAliveSeconds);
  http.set_exception_handler(refuse_thrown);
  http.set_error_handler(httplib::Server::Handler(explain_status));
  http.set_pre_routing_handler([this, key = settings.key](const httplib::Request& request,
                                                          httplib::Response& response) {
    if (is_stopping_) {
      response.set_header("Connection", "close");
      refuse(response, ApiError(503, "server_error", "gpumodel-openai stops", {}, "GM_E_DRAINING"));
      return httplib::Server::HandlerResponse::Handled;
    }
    if (key.empty() || is_authorized(request.get_header_value("Authorization"), key))
      return httplib::Server::HandlerResponse::Unhandled;
    refuse(response,
           ApiError(401, "invalid_request_error", "Authorization: Bearer with the key is expected",
                    {}, "invalid_api_key"));
    return httplib::Server::HandlerResponse::Handled;
  });
  http.Get("/v1/models", [&leases](const auto&, auto& response) { list_models(leases, response); });
  http.Get("/v1/models/(.+)",
           [&leases](const httplib::Request& request, httplib::Response& response) {
             show_model(leases, request.matches[1], response);
           });
  http.Post("/v1/chat/completions", [this, &leases](const auto& request, auto& response) {
    generate(leases, Endpoint::chat, Running::add(running_), request, response);
  });
  http.Post("/v1/completions", [this, &leases](const auto& request, auto& response) {
    generate(leases, Endpoint::completions, Running::add(running_), request, response);
  });
}

Server::~Server() = default;

bool Server::run() {
  http_->listen_after_bind();
  return is_stopping_;
}

void Server::stop(std::chrono::milliseconds limit) {
  is_stopping_ = true;
  // httplib's own stop() would end its answers, too.
  ::shutdown(fd_, SHUT_RDWR);
  running_->wait_for_none(limit);
}

}  // namespace gpumodel_openai
