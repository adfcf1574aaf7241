// A scripted daemon for gpumodelctl: what it is told is exact, and what it was asked is kept.
#pragma once

#include <boost/test/unit_test.hpp>
#include <map>
#include <mutex>

#include "support/fake_daemon.hpp"
#include "support/process.hpp"

namespace gpumodel::test {

struct Refused {
  int code;
  std::string name;
  json detail;
};

// Serves one gpumodelctl after the other: what is called by JSON from `answers`, leases at once.
class CtlDaemon {
 public:
  using Answer = std::function<json(const json& params)>;

  explicit CtlDaemon(std::map<std::string, Answer> answers, int connections = 1)
      : answers_(std::move(answers)),
        fake_(std::vector<FakeDaemon::Script>(static_cast<std::size_t>(connections),
                                              [this](Connection& c) { serve(c); })) {}

  Finished run_tool(std::vector<std::string> words, const std::string& input = "") const {
    return run(command(std::move(words)), input, environment());
  }
  std::vector<std::string> command(std::vector<std::string> words) const {
    words.insert(words.begin(), program("gpumodelctl"));
    return words;
  }
  Environment environment() const { return {{"GPUMODEL_SOCKET", fake_.path()}, {"TZ", "UTC0"}}; }
  const std::string& socket() const { return fake_.path(); }

  // The methods in the order in which they came; call_json as what it called.
  std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  bool called(const std::string& method) const {
    const auto all = calls();
    return std::find(all.begin(), all.end(), method) != all.end();
  }
  // Sent right after the answer to the method.
  void then(const std::string& method, const std::string& bytes) { after_[method] = bytes; }

 private:
  void note(const std::string& method) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(method);
  }

  void serve(Connection& c) {
    c.greet({"events", "lease.wait_foreign", "prefetch"});
    for (;;) {
      const Incoming request = c.next();
      if (request.method == "call_json") {
        by_json(c, request);
        continue;
      }
      note(request.method);
      if (request.method == "lease.acquire") c.grant(request);
      if (request.method == "lease.release") c.release(request);
      if (request.method == "events.subscribe") c.respond(request, {{"next_seq", 1}});
      c.send(after_[request.method]);
    }
  }

  void by_json(Connection& c, const Incoming& request) {
    const std::string method = request.params.at("method");
    note(method);
    try {
      const json params = json::parse(request.params.value("params", "{}"));
      c.respond(request, {{"result", answers_.at(method)(params).dump()}});
    } catch (const Refused& refused) {
      c.fail(request, refused.code, refused.name, refused.detail);
    }
    c.send(after_[method]);
  }

  std::map<std::string, Answer> answers_;
  std::map<std::string, std::string> after_;
  mutable std::mutex mutex_;
  std::vector<std::string> calls_;
  FakeDaemon fake_;  // last: its thread uses the others
};

inline CtlDaemon::Answer always(const json& answer) {
  return [answer](const json&) { return answer; };
}
inline CtlDaemon::Answer refuses(int code, const std::string& name, const json& detail = nullptr) {
  return [=](const json&) -> json { throw Refused{code, name, detail}; };
}

inline json event(int seq, const char* type = "loaded") {
  return {{"seq", seq},       {"time_ms", 1767225600000}, {"type", type},  {"model", "concept"},
          {"device", "cpu"},  {"user", nullptr},          {"bytes", 1024}, {"ms", 5},
          {"reason", nullptr}};
}

inline std::string notification(const json& params) {
  return packed({2, "event", json::array({params})});
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline const json kEmptyStatus = {{"schema", 1}, {"daemon", {{"version", "1.0.0"}, {"pid", 1}}}};

}  // namespace gpumodel::test
