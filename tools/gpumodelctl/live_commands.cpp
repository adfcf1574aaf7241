// top and ps: who uses the daemon now.
#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/programs.hpp"
#include "gpumodelctl/top.hpp"
#include "gpumodelctl/watch.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

Command top_command(CLI::App& app, Common& common) {
  Arguments command = add_command(
      app, common, "top",
      "All of it live: memory, programs with their tokens per second, the queue and what is "
      "loaded.\n"
      "Keys: q ends it; a, t, r, u, m and p sort by age, tokens, rate, user, model and pid; R "
      "reverses.\n"
      "Into a pipe it writes one frame after the other; with --json what status answers, one "
      "object a line.",
      "  gpumodelctl top\n"
      "  gpumodelctl top --interval 0.2\n");
  auto options = std::make_shared<TopCommand>();
  command.add_option("--interval", options->seconds, "a new frame every SECONDS (1)")
      .type_name("SECONDS")
      .range(0.05, 1e6);
  return {command, [&common, options] {
            options->socket = common.socket;
            options->json = common.json;
            return run_top(*options);
          }};
}

Command ps_command(CLI::App& app, Common& common) {
  Arguments command =
      add_command(app, common, "ps",
                  "Which programs hold leases or wait for them: since when, on what, and the "
                  "tokens that they got",
                  "  gpumodelctl ps\n"
                  "  gpumodelctl ps --json | jq '.programs[] | select(.state == \"queued\")'\n");
  return {command, [&common] {
            return run_report({common.socket, common.json, 0},
                              {"status",
                               [](const ordered_json& status, const View& view) {
                                 return programs_text(programs_of(status), unix_ms(), view);
                               },
                               [](const ordered_json& status) {
                                 return programs_json(programs_of(status), unix_ms());
                               }});
          }};
}

}  // namespace

void add_live_commands(CLI::App& app, Common& common, std::vector<Command>& out) {
  out.push_back(top_command(app, common));
  out.push_back(ps_command(app, common));
}

}  // namespace gpumodelctl
