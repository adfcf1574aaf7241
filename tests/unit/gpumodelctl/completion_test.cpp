#include "gpumodelctl/completion.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "gpumodelctl/commands.hpp"
#include "support/testdata.hpp"

using namespace gpumodelctl;

namespace {

struct Parser {
  CLI::App app{"test", "gpumodelctl"};
  Common common;
  std::vector<Command> commands = add_commands(app, common);

  Candidates at_cursor(std::vector<std::string> words) const { return complete(app, words); }
};

bool offers(const Candidates& found, const std::string& word) {
  return std::find(found.words.begin(), found.words.end(), word) != found.words.end();
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(completion_test, Parser)

BOOST_AUTO_TEST_CASE(every_public_command_is_offered) {
  const Candidates found = at_cursor({""});
  for (const char* name :
       {"status",   "top",   "ps",       "models", "metrics", "plan",     "why",        "events",
        "generate", "chat",  "run",      "doctor", "check",   "tokenize", "detokenize", "render",
        "lease",    "yield", "prefetch", "unload", "pin",     "unpin",    "drain",      "revoke"})
    BOOST_TEST(offers(found, name), name);
  BOOST_TEST(!offers(found, "complete"));
  BOOST_TEST(offers(at_cursor({"--socket", "/x", ""}), "status"));
}

BOOST_AUTO_TEST_CASE(options_are_the_commands_own) {
  BOOST_TEST(offers(at_cursor({"unload", "--"}), "--force"));
  BOOST_TEST(offers(at_cursor({"generate", "concept", "--"}), "--prompt"));  // of an inner group
  BOOST_TEST(!offers(at_cursor({"pin", "--"}), "--force"));
}

BOOST_AUTO_TEST_CASE(values_have_a_kind) {
  BOOST_TEST(at_cursor({"plan", ""}).kind == "MODEL");
  BOOST_TEST(at_cursor({"plan", "a", "b", ""}).kind == "MODEL");  // as many as one likes
  BOOST_TEST(at_cursor({"why", ""}).kind == "MODEL");
  BOOST_TEST(at_cursor({"why", "a", ""}).kind == "");
  BOOST_TEST(at_cursor({"yield", "--device", ""}).kind == "DEVICE");
  BOOST_TEST(at_cursor({"drain", "--off", "--device", "c"}).kind == "DEVICE");
  BOOST_TEST(at_cursor({"revoke", ""}).kind == "LEASE");
  BOOST_TEST(at_cursor({"--socket", ""}).kind == "PATH");
  BOOST_TEST(at_cursor({"unload", "--force", ""}).kind == "MODEL");  // a flag takes no value
}

BOOST_AUTO_TEST_CASE(a_command_behind_dashes_is_not_ours) {
  std::vector<std::string> words{"--socket", "/s", "lease", "a",  "b", "--wait",
                                 "3",        "--", "echo",  "--", "x"};
  BOOST_TEST((take_child(words) == std::vector<std::string>{"echo", "--", "x"}));
  BOOST_TEST(
      (words == std::vector<std::string>{"--socket", "/s", "lease", "a", "b", "--wait", "3"}));
  words = {"tokenize", "a", "--", "-text"};
  BOOST_TEST(take_child(words).empty());
  BOOST_TEST(words.size() == 4u);
  words = {"yield", "--device", "cpu"};
  BOOST_TEST(take_child(words).empty());
}

BOOST_AUTO_TEST_SUITE_END()
