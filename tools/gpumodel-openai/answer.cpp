#include "gpumodel-openai/answer.hpp"

#include <ctime>
#include <nlohmann/json.hpp>
#include <random>

namespace gpumodel_openai {
namespace {

using nlohmann::ordered_json;

// How often it is looked whether the client is still there.
constexpr std::chrono::milliseconds kLook{250};

std::string random_id(const char* prefix) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  constexpr char kDigits[] = "0123456789abcdef";
  std::string id = prefix;
  for (int i = 0; i < 24; ++i) id += kDigits[random() % 16];
  return id;
}

std::string dump(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string event(const ordered_json& json) { return "data: " + dump(json) + "\n\n"; }

ordered_json call_json(const ToolCall& call) {
  return {{"id", random_id("call_")},
          {"type", "function"},
          {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

ordered_json bytes_of(const std::string& text) {
  ordered_json bytes = ordered_json::array();
  for (const char byte : text) bytes.push_back(static_cast<unsigned char>(byte));
  return bytes;
}

// The client has gone: nobody is left to be told.
struct Gone : ApiError {
  Gone() : ApiError(499, "client_gone", "the client has closed the connection") {}
};

}  // namespace

struct Answer::Piece {
  std::string content;
  std::vector<ToolCall> calls;
  ordered_json logprobs;
};

Answer::Answer(Leases& leases, ApiRequest request)
    : request_(std::move(request)),
      use_(leases.take(request_.model)),
      id_(random_id(request_.endpoint == Endpoint::chat ? "chatcmpl-" : "cmpl-")),
      created_(std::time(nullptr)) {
  for (const Prompt& prompt : request_.prompts)
    for (std::uint32_t i = 0; i < request_.choices; ++i)
      choices_.push_back({start(prompt), {}, 0, {}, false, {}});
  wait_for_first();
}

gpumodel::Stream Answer::start(const Prompt& prompt) {
  gpumodel::Lease& lease = use_.lease();
  gpumodel::Result<gpumodel::Stream> stream =
      std::holds_alternative<std::string>(prompt)
          ? lease.try_stream(std::get<std::string>(prompt), request_.options)
      : std::holds_alternative<Tokens>(prompt)
          ? lease.try_stream_tokens(std::get<Tokens>(prompt).ids, request_.options)
          : lease.try_stream_json(std::get<MessagesJson>(prompt).text, request_.options);
  if (stream) return std::move(*stream);
  throw failure(stream.error());
}

// A lease that failed is no use to the next request; one that was asked for nonsense is.
ApiError Answer::failure(const gpumodel::Error& error) {
  ApiError result = api_error_of(error);
  if (result.status >= 500) use_.set_broken();
  return result;
}

void Answer::wait_for_first() {
  for (Choice& choice : choices_) {
    const gpumodel::Result<gpumodel::Next> next = choice.stream.try_next(choice.first);
    if (!next) throw failure(next.error());
    // At its end, the stream says so again.
    choice.has_first = *next == gpumodel::Next::chunk;
  }
}

bool Answer::read(Choice& choice, const Client& client, gpumodel::Chunk& chunk) {
  if (choice.has_first) {
    choice.has_first = false;
    chunk = choice.first;
    return true;
  }
  for (;;) {
    if (const auto now = std::chrono::steady_clock::now(); now - looked_ >= kLook) {
      looked_ = now;
      if (!client.is_there()) throw Gone();
    }
    const gpumodel::Result<gpumodel::Next> next = choice.stream.try_next(chunk, kLook);
    if (!next) throw failure(next.error());
    if (*next == gpumodel::Next::chunk) return true;
    if (*next == gpumodel::Next::end) break;
  }
  if (const gpumodel::Result<gpumodel::Summary> summary = choice.stream.try_summary())
    choice.summary = {*summary};
  return false;
}

// Of the end where there is no chunk.
Answer::Piece Answer::piece_of(Choice& choice, const gpumodel::Chunk* chunk) {
  Piece piece;
  if (request_.finds_tool_calls) {
    ToolPiece found = chunk ? choice.tools.push(chunk->text) : choice.tools.finish();
    piece.content = std::move(found.content);
    piece.calls = std::move(found.calls);
  } else if (chunk) {
    piece.content = chunk->text;
  }
  if (chunk && request_.options.logprobs) piece.logprobs = logprobs_of(*chunk);
  return piece;
}

bool Answer::write(const Client& client) {
  try {
    return request_.stream ? write_events(client) : write_whole(client);
  } catch (const Gone&) {
    return false;
  } catch (const ApiError& error) {
    // Where the status has been sent, an event says it; a whole answer cannot.
    return request_.stream && client.write("data: " + error.body() + "\n\n");
  }
}

ordered_json Answer::head(const char* object) const {
  return {{"id", id_}, {"object", object}, {"created", created_}, {"model", request_.model}};
}

const char* Answer::finish_reason(const Choice& choice) const {
  const bool is_stop =
      !choice.summary.empty() && choice.summary[0].finish == gpumodel::Finish::stop;
  if (choice.calls > 0) return "tool_calls";
  return is_stop ? "stop" : "length";
}

ordered_json Answer::chat_delta(std::size_t index, Choice& choice, const Piece& piece) const {
  ordered_json delta = ordered_json::object();
  if (!piece.content.empty()) delta["content"] = piece.content;
  for (const ToolCall& call : piece.calls) {
    ordered_json one = {{"index", choice.calls++}};
    one.update(call_json(call));
    delta["tool_calls"].push_back(std::move(one));
  }
  return {
      {"index", index}, {"delta", delta}, {"logprobs", piece.logprobs}, {"finish_reason", nullptr}};
}

bool Answer::write_choice(std::size_t index, const Client& client) {
  Choice& choice = choices_[index];
  ordered_json message = head(is_chat() ? "chat.completion.chunk" : "text_completion");
  const auto write_piece = [&](const Piece& piece) {
    if (piece.content.empty() && piece.calls.empty() && piece.logprobs.is_null()) return true;
    ordered_json one = is_chat() ? chat_delta(index, choice, piece)
                                 : ordered_json{{"index", index},
                                                {"text", piece.content},
                                                {"logprobs", piece.logprobs},
                                                {"finish_reason", nullptr}};
    message["choices"] = ordered_json::array({std::move(one)});
    return client.write(event(message));
  };
  if (is_chat()) {
    message["choices"] = ordered_json::array({{{"index", index},
                                               {"delta", {{"role", "assistant"}, {"content", ""}}},
                                               {"finish_reason", nullptr}}});
    if (!client.write(event(message))) return false;
  }
  gpumodel::Chunk chunk;
  while (read(choice, client, chunk))
    if (!write_piece(piece_of(choice, &chunk))) return false;
  if (!write_piece(piece_of(choice, nullptr))) return false;
  ordered_json last = {{"index", index}};
  if (is_chat())
    last["delta"] = ordered_json::object();
  else
    last["text"] = "";
  last["finish_reason"] = finish_reason(choice);
  message["choices"] = ordered_json::array({std::move(last)});
  return client.write(event(message));
}

bool Answer::write_events(const Client& client) {
  for (std::size_t i = 0; i < choices_.size(); ++i)
    if (!write_choice(i, client)) return false;
  if (request_.include_usage) {
    ordered_json message = head(is_chat() ? "chat.completion.chunk" : "text_completion");
    message["choices"] = ordered_json::array();
    message["usage"] = usage();
    if (!client.write(event(message))) return false;
  }
  return client.write("data: [DONE]\n\n");
}

bool Answer::write_whole(const Client& client) {
  ordered_json answer = head(is_chat() ? "chat.completion" : "text_completion");
  answer["choices"] = ordered_json::array();
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    Choice& choice = choices_[i];
    ordered_json logprobs, calls = ordered_json::array();
    std::string content;
    const auto add = [&](Piece piece) {
      content += piece.content;
      for (const ToolCall& call : piece.calls) calls.push_back(call_json(call));
      choice.calls += piece.calls.size();
      for (const auto& [key, values] : piece.logprobs.items())
        for (ordered_json& value : values) logprobs[key].push_back(std::move(value));
    };
    gpumodel::Chunk chunk;
    while (read(choice, client, chunk)) add(piece_of(choice, &chunk));
    add(piece_of(choice, nullptr));
    ordered_json one = {{"index", i}};
    if (is_chat()) {
      const bool says_nothing = content.empty() && !calls.empty();
      one["message"] = {{"role", "assistant"},
                        {"content", says_nothing ? ordered_json() : ordered_json(content)}};
      if (!calls.empty()) one["message"]["tool_calls"] = std::move(calls);
    } else {
      one["text"] = content;
    }
    one["logprobs"] = std::move(logprobs);
    one["finish_reason"] = finish_reason(choice);
    answer["choices"].push_back(std::move(one));
  }
  answer["usage"] = usage();
  return client.write(dump(answer));
}

// A prompt is counted once, however many choices it has.
ordered_json Answer::usage() const {
  std::uint64_t prompt = 0, cached = 0, output = 0;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    if (choices_[i].summary.empty()) continue;
    const gpumodel::Summary& summary = choices_[i].summary[0];
    output += summary.output_tokens;
    if (i % request_.choices != 0) continue;
    prompt += summary.prompt_tokens;
    cached += summary.cached_tokens;
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", output},
          {"total_tokens", prompt + output},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

// Of one token, as far as it is whole characters.
const std::string& Answer::token_text(std::int32_t token) {
  const auto known = token_texts_.find(token);
  if (known != token_texts_.end()) return known->second;
  gpumodel::Result<std::string> text = use_.lease().try_detokenize({token});
  return token_texts_[token] = text ? *text : std::string();
}

ordered_json Answer::logprobs_of(const gpumodel::Chunk& chunk) {
  // What the chunk borrows ends with the next call on its stream; asking for texts is none.
  const std::size_t top = request_.options.top_logprobs;
  ordered_json content = ordered_json::array(), tokens = content, values = content, tops = content;
  for (std::size_t i = 0; i < chunk.tokens.size(); ++i) {
    const std::string text = token_text(chunk.tokens[i]);
    ordered_json likeliest = ordered_json::array(), by_text = ordered_json::object();
    for (std::size_t k = i * top; k < (i + 1) * top; ++k) {
      const std::string other = token_text(chunk.top_tokens[k]);
      likeliest.push_back(
          {{"token", other}, {"logprob", chunk.top_logprobs[k]}, {"bytes", bytes_of(other)}});
      by_text[other] = chunk.top_logprobs[k];
    }
    content.push_back({{"token", text},
                       {"logprob", chunk.logprobs[i]},
                       {"bytes", bytes_of(text)},
                       {"top_logprobs", std::move(likeliest)}});
    tokens.push_back(text);
    values.push_back(chunk.logprobs[i]);
    tops.push_back(std::move(by_text));
  }
  if (is_chat()) return {{"content", std::move(content)}};
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(tops)}};
}

}  // namespace gpumodel_openai
