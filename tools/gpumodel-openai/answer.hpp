// One request's generations, and what clients are told of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <gpumodel.hpp>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "gpumodel-openai/api_request.hpp"
#include "gpumodel-openai/leases.hpp"
#include "gpumodel-openai/tool_calls.hpp"

namespace gpumodel_openai {

// Where an answer goes; both are false once the client has gone.
struct Client {
  std::function<bool(const std::string& text)> write;
  std::function<bool()> is_there;
};

class Answer {
 public:
  // Takes the lease, sends all generations and waits for each to say something, so that what is
  // refused is refused with a status of its own. Throws ApiError.
  Answer(Leases& leases, ApiRequest request);

  // Writes all of it, as server-sent events where the request streams; there, an event tells of a
  // generation that failed on the way. False where the client has gone, which cancels what still
  // runs, and where an answer cannot be finished: the connection is to be closed.
  bool write(const Client& client);

 private:
  struct Choice {
    gpumodel::Stream stream;
    ToolCallParser tools;
    std::size_t calls = 0;
    std::vector<gpumodel::Summary> summary;  // one, after the end
    // The first chunk, as long as nobody has read it; what it borrows is the stream's.
    bool has_first = false;
    gpumodel::Chunk first;
  };
  // What a chunk adds to a choice.
  struct Piece;

  gpumodel::Stream start(const Prompt& prompt);
  void wait_for_first();
  ApiError failure(const gpumodel::Error& error);
  // False at the end. Throws ApiError, also where the client has gone.
  bool read(Choice& choice, const Client& client, gpumodel::Chunk& chunk);
  Piece piece_of(Choice& choice, const gpumodel::Chunk* chunk);
  bool write_events(const Client& client);
  bool write_whole(const Client& client);
  bool write_choice(std::size_t index, const Client& client);

  nlohmann::ordered_json head(const char* object) const;
  nlohmann::ordered_json chat_delta(std::size_t index, Choice& choice, const Piece& piece) const;
  nlohmann::ordered_json usage() const;
  nlohmann::ordered_json logprobs_of(const gpumodel::Chunk& chunk);
  const std::string& token_text(std::int32_t token);
  const char* finish_reason(const Choice& choice) const;
  bool is_chat() const { return request_.endpoint == Endpoint::chat; }

  ApiRequest request_;
  Leases::Use use_;
  std::string id_;
  std::int64_t created_;
  std::vector<Choice> choices_;
  std::chrono::steady_clock::time_point looked_;  // whether the client is there
  std::map<std::int32_t, std::string> token_texts_;
};

}  // namespace gpumodel_openai
