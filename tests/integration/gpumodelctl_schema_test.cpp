// Every command's --json against docs/gpumodelctl.schema.json, by Python's jsonschema; and ps and
// run, with the real gpumodeld and the fake engine.
#include <signal.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/daemon_fixture.hpp"
#include "support/process.hpp"
#include "support/testdata.hpp"

using namespace gpumodel;
using namespace gpumodel::test;
using nlohmann::json;

namespace {

// The sanitizers' builds have none.
boost::test_tools::assertion_result has_engine(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result found(::access(program("gpumodel-engine").c_str(), X_OK) ==
                                            0);
  found.message() << "gpumodel-engine is not built";
  return found;
}

struct SchemaFixture : DaemonFixture {
  SchemaFixture() {
    model("concept", R"({"tensor_bytes": 41943040, "token_ms": 20})", "auto_unload = false");
    model("attribute", kForty);
    model("broken", R"({"fail": "inspect"})");
    start(kDevice);
    BOOST_REQUIRE(eventually(
        [&] { return model_row("concept").device_bytes && model_row("attribute").device_bytes; }));
  }

  Finished tool(std::vector<std::string> words, const std::string& input = "") const {
    words.insert(words.begin(), program("gpumodelctl"));
    return run(words, input, {{"GPUMODEL_SOCKET", socket()}});
  }

  // Runs it with --json, and keeps each line to be judged as `definition`.
  void note(const std::string& definition, std::vector<std::string> words,
            const std::string& input = "") {
    words.insert(words.begin(), "--json");
    std::istringstream lines(tool(words, input).out);
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      const json output = json::parse(line, nullptr, /*allow_exceptions=*/false);
      BOOST_TEST(!output.is_discarded(), definition << ": " << line);
      judged << json{{"def", definition}, {"output", output}}.dump() << '\n';
    }
    BOOST_TEST(count > 0, definition << " wrote nothing");
  }
  void note(const std::string& command) { note(command, {command}); }

  // The engine's reports are for people, too: many lines.
  void note_whole(const std::string& definition, const std::vector<std::string>& words) {
    const Finished done = tool(words);
    const json output = json::parse(done.out, nullptr, /*allow_exceptions=*/false);
    BOOST_TEST(!output.is_discarded(), done.out << done.err);
    judged << json{{"def", definition}, {"output", output}}.dump() << '\n';
  }

  void judge() const {
    const Finished done = run({oracle_python(), source_path("tests/support/schema_check.py"),
                               source_path("docs/gpumodelctl.schema.json")},
                              judged.str());
    BOOST_TEST(done.exit_code == 0, done.out << done.err);
  }

  std::ostringstream judged;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(gpumodelctl_schema, SchemaFixture)

BOOST_AUTO_TEST_CASE(every_command_writes_what_is_documented,
                     *boost::unit_test::precondition(has_oracle_python())) {
  for (const char* command : {"status", "models", "ps", "doctor"}) note(command);
  auto holder = client(), waiter = client();
  const auto lease = holder.acquire("concept");
  const auto running = holder.generate(lease, "alpha", 5000, /*stream=*/true);
  BOOST_REQUIRE(eventually([&] {
    const auto generations = status().generations;
    return !generations.empty() && generations.front().output_tokens.value_or(0) > 2;
  }));
  waiter.send("lease.acquire", wanted({"attribute"}));
  BOOST_REQUIRE(eventually([&] { return !status().queue.empty(); }));
  for (const char* command : {"status", "ps"}) note(command);
  note("plan", {"plan", "concept", "attribute"});
  note("why", {"why", "concept"});
  note("error", {"why", "concpt"});
  note("error", {"unload", "concept"});  // with the leases in its detail
  note("error", {"plan"});               // wrong usage
  holder.cancel(running);
  holder.wait(running);
  note("revoke", {"revoke", std::to_string(lease.lease)});
  BOOST_REQUIRE(eventually([&] { return status().queue.empty(); }));  // and attribute is granted
  note("unload", {"unload", "attribute", "--force"});
  note("prefetch", {"prefetch", "concept"});
  note("pin", {"pin", "concept"});
  note("unpin", {"unpin", "concept"});
  note("yield", {"yield", "--device", "cpu", "--bytes", "1M", "--for", "1h"});
  note("generate", {"generate", "concept", "--prompt", "alpha", "--max-tokens", "2", "--logprobs",
                    "--top-logprobs", "2"});
  note("run", {"run", "concept", "alpha", "--max-tokens", "2"});
  note("chat", {"chat", "concept", "--max-tokens", "2"}, "alpha\nbeta\n");
  note("tokenize", {"tokenize", "concept", "alpha"});
  note("detokenize", {"detokenize", "concept", "--tokens", "1,2"});
  note("render", {"render", "concept", "-"}, R"([{"role": "user", "content": "alpha"}])");
  note("drain", {"drain"});
  note("status");  // which now has yields, and drains
  note("drain", {"drain", "--off"});
  note("unload", {"unload", "concept"});
  note("events");
  note("models");
  judge();
}

BOOST_AUTO_TEST_CASE(what_goes_on_writes_an_object_a_line,
                     *boost::unit_test::precondition(has_oracle_python())) {
  auto holder = client();
  holder.release(holder.acquire("attribute"));  // so that there are events
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"top", "--interval", "0.05"},
        {"status", "--watch", "0.05"},
        {"events", "--follow"}}) {
    std::vector<std::string> command = words;
    command.insert(command.begin(), program("gpumodelctl"));
    command.emplace_back("--json");
    Process process(command, {{"GPUMODEL_SOCKET", socket()}});
    process.wait_for_output("}\n");
    process.signal(SIGINT);
    std::istringstream lines(process.finish().out);
    for (std::string line; std::getline(lines, line);)
      judged << json{{"def", words.front()}, {"output", json::parse(line)}}.dump() << '\n';
  }
  judge();
}

BOOST_AUTO_TEST_CASE(the_engines_reports_are_documented,
                     *boost::unit_test::precondition(has_oracle_python()) *
                         boost::unit_test::precondition(has_demo_model) *
                         boost::unit_test::precondition(has_engine)) {
  note_whole("check", {"check", "--json", demo_model()});
  note_whole("error", {"check", "--json", "/nonexistent"});
  judge();
}

// What the shells offer is what there is.
BOOST_AUTO_TEST_CASE(every_command_has_a_definition) {
  const json schema = json::parse(read_file(source_path("docs/gpumodelctl.schema.json")));
  std::istringstream commands(tool({"complete", "--", ""}).out);
  int count = 0;
  for (std::string command; std::getline(commands, command); ++count)
    BOOST_TEST(schema.at("$defs").contains(command), command << " has no definition");
  BOOST_TEST(count > 20);
}

BOOST_AUTO_TEST_CASE(ps_tells_of_processes_what_the_kernel_tells) {
  auto holder = client();
  holder.hello("what it calls itself");
  const auto lease = holder.acquire("concept");
  const auto running = holder.generate(lease, "alpha", 7);
  holder.wait(running);
  auto programs = json::parse(tool({"ps", "--json"}).out).at("programs");
  BOOST_REQUIRE(programs.size() == 1u);
  const json& row = programs.at(0);
  BOOST_TEST(row.at("pid") == getpid());
  BOOST_TEST(row.at("uid") == getuid());
  BOOST_TEST(row.at("command").get<std::string>() == proc_field(getpid(), "Name"));
  BOOST_TEST(row.at("models") == json{"concept"});
  BOOST_TEST(row.at("state") == "idle");
  BOOST_TEST(row.at("output_tokens") == 7);
  const auto second = holder.generate(lease, "alpha", 5000, /*stream=*/true);
  BOOST_REQUIRE(eventually([&] { return status().leases.front().output_tokens > 12; }));
  programs = json::parse(tool({"ps", "--json"}).out).at("programs");
  BOOST_TEST(programs.at(0).at("state") == "generating");
  BOOST_TEST(programs.at(0).at("output_tokens") > 12);
  // A token each 20 ms, but for what a busy machine adds.
  BOOST_TEST(programs.at(0).at("tokens_per_s") > 1.0);
  BOOST_TEST(programs.at(0).at("tokens_per_s") < 60.0);
  holder.cancel(second);
  holder.wait(second);
  holder.release(lease);
  BOOST_TEST(tool({"ps"}).out == "No program holds a lease or waits for one.\n");
}

BOOST_AUTO_TEST_CASE(run_answers_a_prompt_or_what_a_pipe_holds) {
  // The fake engine repeats the words that it is given: a user's message.
  const Finished words = tool({"run", "concept", "alpha", "beta", "--max-tokens", "3"});
  BOOST_TEST(words.exit_code == 0, words.err);
  BOOST_TEST(words.out == "1:user: 2:alpha 3:beta \n");
  const Finished piped = tool({"run", "concept", "--max-tokens", "3"}, "alpha\nbeta\n");
  BOOST_TEST(piped.out == words.out);
  const Finished system =
      tool({"run", "concept", "--system", "short", "alpha", "--max-tokens", "2"});
  BOOST_TEST(system.out == "1:system: 2:short \n");
  BOOST_TEST(tool({"run", "concpt", "alpha"}).exit_code == 1);
  BOOST_TEST(tool({"run"}).exit_code == 2);
}

BOOST_AUTO_TEST_CASE(chat_takes_a_message_a_line) {
  const Finished done = tool({"chat", "concept", "--max-tokens", "2"}, "alpha\n\nbeta\n");
  BOOST_TEST(done.exit_code == 0, done.err);
  BOOST_TEST(done.out == "1:user: 2:alpha \n1:user: 2:alpha \n");
}

BOOST_AUTO_TEST_SUITE_END()
