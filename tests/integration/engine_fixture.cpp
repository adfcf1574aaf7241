#include "engine_fixture.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include "wire/version.hpp"

namespace gpumodel::test {

Child::Child(std::vector<std::string> arguments) {
  int ends[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const int theirs = ::dup(ends[1]);  // without close-on-exec
  ::close(ends[1]);
  for (std::string& argument : arguments)
    if (const auto at = argument.find("FD"); at != std::string::npos)
      argument.replace(at, 2, std::to_string(theirs));
  process = std::make_unique<Process>(arguments);
  ::close(theirs);
  client = std::make_unique<WireClient>(ends[0]);
}

wire::InspectResult inspect(const std::string& dtype) {
  Child probe({program("gpumodel-engine"), "--probe", "--fd", "FD"});
  return probe.client->call<wire::InspectResult>("inspect",
                                                 wire::InspectParams{demo_model(), dtype});
}

Engine::Engine(std::uint64_t capacity_bytes) : Child({program("gpumodel-engine"), "--fd", "FD"}) {
  started = client->call<wire::StartResult>(
      "start",
      wire::StartParams{std::string(wire::build_version()), {"cpu", "cpu"}, capacity_bytes, 0});
}

wire::LoadParams Engine::load_params(std::uint64_t weights, const std::string& dtype) {
  const wire::InspectResult facts = inspect(dtype);
  return {weights,
          demo_model(),
          dtype,
          facts.identity,
          kContext,
          kContext * facts.kv_bytes_per_token,
          facts.workspace_bytes,
          {}};
}

wire::LoadResult Engine::load(std::uint64_t weights, const std::string& dtype) {
  return client->call<wire::LoadResult>("load", load_params(weights, dtype));
}

wire::UnloadResult Engine::unload(std::uint64_t weights) {
  return client->call<wire::UnloadResult>("unload", wire::UnloadParams{weights});
}

wire::EngineGenerateParams Engine::request(const std::string& prompt, std::int64_t max_tokens) {
  wire::EngineGenerateParams params;
  params.weights = 1;
  params.generation.prompt = prompt;
  params.generation.max_tokens = max_tokens;
  params.generation.temperature = 0.0f;
  params.generation.ignore_eos = true;
  return params;
}

std::uint32_t Engine::begin(const wire::EngineGenerateParams& params) {
  return client->send("generate", params);
}

wire::GenerateResult Engine::end(std::uint32_t id) {
  return client->wait(id).result<wire::GenerateResult>();
}

wire::GenerateResult Engine::generate(const wire::EngineGenerateParams& params) {
  return end(begin(params));
}

wire::Error Engine::refusal(const wire::EngineGenerateParams& params) {
  const Answer answer = client->wait(begin(params));
  BOOST_TEST_REQUIRE(answer.failed());
  return answer.error();
}

}  // namespace gpumodel::test
