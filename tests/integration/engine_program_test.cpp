// gpumodel-engine as a program: how it starts and ends, its options, and its probe.
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine_fixture.hpp"
#include "wire/version.hpp"

namespace {

namespace utf = boost::unit_test;
namespace wire = gpumodel::wire;
using gpumodel::test::Child;
using gpumodel::test::demo_model;
using gpumodel::test::Engine;
using gpumodel::test::eventually;
using gpumodel::test::has_demo_model;
using gpumodel::test::kMiB;
using gpumodel::test::program;

bool is_gone(std::int64_t pid) { return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH; }

BOOST_AUTO_TEST_SUITE(engine_program, *utf::precondition(has_demo_model))

BOOST_AUTO_TEST_CASE(start_comes_first_and_of_the_same_version) {
  Child child({program("gpumodel-engine"), "--fd", "FD"});
  BOOST_TEST((child.client->ask("measure", wire::Empty{}).error().code == wire::Code::state));
  BOOST_TEST(
      (child.client->ask("start", wire::StartParams{"0.0.0", {"cpu", "cpu"}, 1, 1}).error().code ==
       wire::Code::version));
}

BOOST_AUTO_TEST_CASE(ends_when_the_broker_closes_its_end) {
  Engine engine;
  engine.load(1);
  engine.begin(Engine::request("Once upon a time", -1));
  engine.client.reset();
  BOOST_TEST(engine.process->finish(std::chrono::seconds(20)).exit_code == 0);
}

BOOST_AUTO_TEST_CASE(dies_with_its_parent_though_the_socket_is_open) {
  Child shell({"/bin/sh", "-c", program("gpumodel-engine") + " --fd FD & wait"});
  const auto started = shell.client->call<wire::StartResult>(
      "start",
      wire::StartParams{std::string(wire::build_version()), {"cpu", "cpu"}, 1024 * kMiB, 1});
  BOOST_TEST(started.pid != shell.process->pid());
  ::kill(shell.process->pid(), SIGKILL);
  BOOST_TEST(shell.client->reaches_end());
  BOOST_TEST(eventually([&] { return is_gone(started.pid); }));
}

BOOST_AUTO_TEST_CASE(outlives_the_signals_of_a_terminal) {
  Engine engine;
  engine.process->signal(SIGINT);
  engine.process->signal(SIGTERM);
  BOOST_TEST(!engine.client->ask("measure", wire::Empty{}).failed());
}

BOOST_AUTO_TEST_CASE(a_broken_frame_ends_it_with_a_message) {
  Child child({program("gpumodel-engine"), "--fd", "FD"});
  child.client->send_bytes("\xc1garbage");
  BOOST_TEST(child.client->reaches_end());
  const auto finished = child.process->finish(std::chrono::seconds(20));
  BOOST_TEST(finished.exit_code == 1);
  BOOST_TEST(finished.err.find("gpumodel-engine:") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(wrong_usage_is_status_2_and_says_why) {
  const auto closed = gpumodel::test::run({program("gpumodel-engine"), "--fd", "900"});
  BOOST_TEST(closed.exit_code == 2);
  BOOST_TEST(closed.err.find("--fd 900") != std::string::npos);
  BOOST_TEST(gpumodel::test::run({program("gpumodel-engine")}).exit_code == 2);
  BOOST_TEST(gpumodel::test::run({program("gpumodel-engine"), "--nonsense"}).exit_code == 2);
  BOOST_TEST(gpumodel::test::run({program("gpumodel-engine"), "--version"}).exit_code == 0);
}

BOOST_AUTO_TEST_CASE(check_reports_and_refuses) {
  const auto good = gpumodel::test::run(
      {program("gpumodel-engine"), "--check", demo_model(), "--dtype", "fp32", "--json"});
  BOOST_TEST_REQUIRE(good.exit_code == 0);
  const auto report = nlohmann::json::parse(good.out);
  BOOST_TEST(report.at("dtype") == "fp32");
  BOOST_TEST(report.at("vocab_size") == 49152);
  BOOST_TEST(report.at("chat_template") == true);
  const std::string empty = std::filesystem::temp_directory_path();
  const auto bad =
      gpumodel::test::run({program("gpumodel-engine"), "--check", empty + "/.", "--json"});
  BOOST_TEST(bad.exit_code == 1);
  const auto refusal = nlohmann::json::parse(bad.out);
  BOOST_TEST(refusal.at("error").at("name") == "model_bad");
  // The configuration and the tokenizer are missing each for itself.
  BOOST_TEST(refusal.at("problems").size() == 2u);
  BOOST_TEST(refusal.at("problems").at(0) == refusal.at("error").at("message"));
}

BOOST_AUTO_TEST_CASE(the_probe_answers_about_text) {
  Child probe({program("gpumodel-engine"), "--probe", "--fd", "FD"});
  using Tokenize = wire::TextParams<wire::FolderTarget, wire::TokenizeInput>;
  using Detokenize = wire::TextParams<wire::FolderTarget, wire::DetokenizeInput>;
  using Render = wire::TextParams<wire::FolderTarget, wire::RenderInput>;
  const auto tokens = probe.client->call<wire::TokensResult>(
      "tokenize", Tokenize{{demo_model()}, {"Hello <|im_end|>", false}});
  BOOST_TEST(tokens.tokens.size() > 2u);  // the text of a special token is text
  const auto text = probe.client->call<wire::TextResult>(
      "detokenize", Detokenize{{demo_model()}, {tokens.tokens}});
  BOOST_TEST(text.text == "Hello <|im_end|>");
  BOOST_TEST((probe.client->ask("detokenize", Detokenize{{demo_model()}, {{99999}}}).error().code ==
              wire::Code::bad_request));
  const auto rendered = probe.client->call<wire::TextResult>(
      "render", Render{{demo_model()}, {std::vector<wire::Message>{{"user", "Hi"}}, {}}});
  BOOST_TEST(rendered.text.find("<|im_start|>user\nHi<|im_end|>\n") != std::string::npos);
  BOOST_TEST((probe.client->ask("render", Render{{demo_model()}, {{}, "{nonsense"}}).error().code ==
              wire::Code::bad_request));
}

BOOST_AUTO_TEST_CASE(the_probe_knows_who_holds_memory) {
  Engine engine;
  Child probe({program("gpumodel-engine"), "--probe", "--fd", "FD"});
  wire::MemoryParams params{{"cpu", "cpu"}, std::uint64_t{1} << 50, {}, 0};  // more than there is
  const auto before = probe.client->call<wire::MemoryResult>("memory", params);
  BOOST_TEST(before.total_bytes > before.available_bytes);
  // The rest of the capacity is the probe's own, then the engine's and the image's, too.
  const std::uint64_t of_others = before.foreign_bytes + before.available_bytes;
  BOOST_TEST(of_others <= params.capacity_bytes);
  BOOST_TEST_REQUIRE(!before.holders.empty());
  BOOST_TEST(before.holders.size() <= 8u);
  for (std::size_t i = 1; i < before.holders.size(); ++i)
    BOOST_TEST(before.holders[i - 1].bytes >= before.holders[i].bytes);
  BOOST_TEST(!before.holders.front().user.empty());
  BOOST_TEST(!before.holders.front().command.empty());
  params.pids = {engine.started.pid};
  params.image_bytes = kMiB;
  const auto ours = probe.client->call<wire::MemoryResult>("memory", params);
  BOOST_TEST(ours.foreign_bytes + ours.available_bytes + kMiB < of_others);
  for (const wire::MemoryHolder& holder : ours.holders)
    BOOST_TEST(holder.pid != engine.started.pid);
  params.capacity_bytes = 1;
  BOOST_TEST(probe.client->call<wire::MemoryResult>("memory", params).foreign_bytes == 0u);
  params.device.kind = "cuda";
  BOOST_TEST((probe.client->ask("memory", params).error().code == wire::Code::unsupported));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
