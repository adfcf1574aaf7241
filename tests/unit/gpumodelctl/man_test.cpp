// The manual names every command and option, and nothing else.
#include <CLI/CLI.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "gpumodelctl/commands.hpp"
#include "support/testdata.hpp"

using namespace gpumodelctl;
using gpumodel::test::read_file;
using gpumodel::test::source_path;

namespace {

using Names = std::set<std::string>;

// The text under "## NAME", up to the next heading.
std::string section(const std::string& page, const std::string& name) {
  const std::size_t begin = page.find("\n## " + name + "\n");
  if (begin == std::string::npos) return "";
  const std::size_t end = std::min(page.find("\n# ", begin + 1), page.find("\n## ", begin + 1));
  return page.substr(begin, end == std::string::npos ? end : end - begin);
}

// Those that a section explains: they begin its lines.
Names explained(const std::string& text) {
  Names out;
  std::istringstream lines(text);
  const std::regex option(R"(\*(--[a-z-]+)\*)");
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("*--", 0) != 0) continue;
    for (std::sregex_iterator at(line.begin(), line.end(), option), end; at != end; ++at)
      out.insert((*at)[1]);
  }
  return out;
}

void collect(const CLI::App& app, Names& out) {
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames())
      if (name != "socket" && name != "json" && name != "help") out.insert("--" + name);
  for (const CLI::App* inner :
       app.get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); }))
    collect(*inner, out);
}

std::string text_of(const Names& names) {
  std::string out;
  for (const std::string& name : names) out += name + ' ';
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(man_test)

BOOST_AUTO_TEST_CASE(every_command_and_option_is_in_the_manual) {
  const std::string page = read_file(source_path("man/gpumodelctl.1.scd"));
  const Names sampling = explained(section(page, "Sampling options"));
  BOOST_TEST(!sampling.empty());
  CLI::App app("test", "gpumodelctl");
  Common common;
  const std::vector<Command> commands = add_commands(app, common);
  Names known;
  for (const Command& command : commands) {
    if (command.arguments.parser().get_group().empty()) continue;
    known.insert(command.arguments.parser().get_name());
    const std::string text = section(page, command.arguments.parser().get_name());
    BOOST_TEST(!text.empty(), command.arguments.parser().get_name() << " has no section");
    Names wanted, found = explained(text);
    collect(command.arguments.parser(), wanted);
    if (wanted.count("--temperature") != 0) found.insert(sampling.begin(), sampling.end());
    BOOST_TEST((found == wanted), command.arguments.parser().get_name()
                                      << ": the manual has " << text_of(found) << "and the command "
                                      << text_of(wanted));
  }
  const std::regex heading("\n## ([a-z]+)\n");
  for (std::sregex_iterator at(page.begin(), page.end(), heading), end; at != end; ++at)
    BOOST_TEST(known.count((*at)[1]) == 1u, "no command " << (*at)[1]);
}

BOOST_AUTO_TEST_CASE(the_global_options_and_exit_codes_are_in_the_manual) {
  const std::string page = read_file(source_path("man/gpumodelctl.1.scd"));
  for (const char* part : {"*--socket*", "*--json*", "*--version*", "*--help*", "\n*0*\n",
                           "\n*1*\n", "\n*2*\n", "\n*3*\n", "\n*4*\n", "\n*5*\n", "\n*130*\n"})
    BOOST_TEST(page.find(part) != std::string::npos, part << " is missing");
}

// What the protocol's page shows is what its norm shows, which a test decodes.
BOOST_AUTO_TEST_CASE(the_protocols_example_is_the_norms) {
  const std::string page = read_file(source_path("man/gpumodel-protocol.7.scd"));
  const std::size_t begin = page.find("94 00 01");
  BOOST_REQUIRE(begin != std::string::npos);
  const std::string example = page.substr(begin, page.find("```", begin) - begin);
  BOOST_TEST(read_file(source_path("daemon/PROTOCOL.md")).find(example) != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
