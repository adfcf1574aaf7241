// What the documents show in C and C++ is true: complete programs are compiled against the
// installed library and run, with the real engine; the other snippets are compiled inside of a
// function.
#include <filesystem>
#include <set>
#include <sstream>

#include "installed_tree.hpp"
#include "real_daemon.hpp"

using namespace gpumodel::test;

namespace {

struct Snippet {
  std::string where;     // FILE:LINE
  std::string language;  // "c", "c++", ...; "" where nothing says
  std::string text;
  bool is_program() const { return text.find("int main(") != std::string::npos; }
  bool is_code() const { return language == "c" || language == "c++"; }
};

std::size_t fence(const std::string& line) {
  const std::size_t size = line.find_first_not_of('`');
  const std::size_t ticks = size == std::string::npos ? line.size() : size;
  return ticks >= 3 ? ticks : 0;
}

// Fenced blocks. Markdown names the language behind the fence; in scdoc a comment line before it
// does.
std::vector<Snippet> snippets_of(const std::string& file) {
  std::istringstream lines(read_file(source_path(file)));
  std::vector<Snippet> found;
  std::size_t open = 0;
  int number = 0;
  std::string previous;
  for (std::string line; std::getline(lines, line); previous = line) {
    ++number;
    const std::size_t ticks = fence(line);
    if (open == 0 && ticks > 0) {
      open = ticks;
      std::string language = line.substr(ticks);
      if (language.empty() && previous.rfind("; ", 0) == 0) language = previous.substr(2);
      if (language == "cpp") language = "c++";
      found.push_back({file + ":" + std::to_string(number), language, ""});
    } else if (open > 0 && ticks >= open) {
      open = 0;
    } else if (open > 0) {
      found.back().text += line + "\n";
    }
  }
  if (open > 0) throw std::runtime_error(file + ": a block is not closed");
  return found;
}

std::vector<Snippet> all_code() {
  std::vector<Snippet> code;
  for (const char* file : {"README.md", "man/gpumodel.3.scd"})
    for (Snippet& snippet : snippets_of(file))
      if (snippet.is_code()) code.push_back(std::move(snippet));
  return code;
}

const InstalledTree& tree() {
  static const InstalledTree instance;
  return instance;
}

std::string source_of(const Snippet& snippet, std::size_t number) {
  return tree().work("snippet" + std::to_string(number) +
                     (snippet.language == "c" ? ".c" : ".cpp"));
}

const char* const kBeforeC = R"(#define _GNU_SOURCE
#include <gpumodel.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
void on_event(gm_client *, const gm_event *, void *);
void scaffold(gm_client *client, gm_lease *lease, gm_stream *stream, gm_status status, char *text) {
)";
const char* const kBeforeCxx = R"(#include <gpumodel.hpp>
#include <iostream>
using namespace std::chrono_literals;
void scaffold(gpumodel::Client& client, gpumodel::Lease& lease) {
)";

}  // namespace

BOOST_AUTO_TEST_SUITE(documentation)

BOOST_AUTO_TEST_CASE(every_block_of_the_page_names_its_language) {
  const std::set<std::string> known = {"c", "c++", "sh", "cmake"};
  for (const Snippet& snippet : snippets_of("man/gpumodel.3.scd"))
    BOOST_TEST(
        known.count(snippet.language) == 1u,
        snippet.where << " needs one of \"; c\", \"; c++\", \"; sh\", \"; cmake\" before it");
}

BOOST_AUTO_TEST_CASE(every_other_snippet_compiles) {
  std::size_t number = 0;
  for (const Snippet& snippet : all_code()) {
    if (snippet.is_program()) continue;
    const bool c = snippet.language == "c";
    const std::string source = source_of(snippet, ++number);
    write_file(source, (c ? kBeforeC : kBeforeCxx) + snippet.text + "}\n");
    const Finished done =
        tree().compile(source, "",
                       {"-Wno-unused-result", "-Wno-unused-parameter", "-Wno-unused-variable",
                        "-Wno-unused-but-set-variable", "-Wno-unused-but-set-parameter"});
    BOOST_TEST(done.exit_code == 0, snippet.where << ": " << done.err);
  }
  BOOST_TEST(number >= 3u);
}

BOOST_AUTO_TEST_CASE(every_program_runs, *boost::unit_test::precondition(has_demo_model)) {
  std::size_t number = 100;
  Environment environment = tree().environment();
  environment.emplace_back("GPUMODEL_SOCKET", daemon().socket());
  for (const Snippet& snippet : all_code()) {
    if (!snippet.is_program()) continue;
    const std::string source = source_of(snippet, ++number);
    const std::string program = source + ".out";
    write_file(source, snippet.text);
    const Finished compiled = tree().compile(source, program);
    BOOST_TEST_CONTEXT(snippet.where) {
      BOOST_REQUIRE_MESSAGE(compiled.exit_code == 0, compiled.err);
      const Finished done = run({program}, "", environment);
      BOOST_TEST(done.exit_code == 0, done.out << done.err);
      BOOST_TEST(done.out.size() > 10u, done.out);
      BOOST_TEST_MESSAGE(snippet.where << " printed: " << done.out);
    }
  }
  BOOST_TEST(number >= 104u);
}

BOOST_AUTO_TEST_SUITE_END()
