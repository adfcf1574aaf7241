#include <fmt/core.h>
#include <unistd.h>

#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/events.hpp"
#include "gpumodelctl/explain.hpp"
#include "gpumodelctl/format.hpp"
#include "gpumodelctl/report.hpp"
#include "gpumodelctl/session.hpp"
#include "gpumodelctl/watch.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

Command status_command(CLI::App& app, Common& common) {
  Arguments command =
      add_command(app, common, "status", "Devices, models, weights, leases and the queue",
                  "  gpumodelctl status\n"
                  "  gpumodelctl status --watch          # until q or Ctrl-C\n"
                  "  gpumodelctl status --json | jq .models\n");
  auto watch = std::make_shared<double>(0);
  command.add_option("--watch", *watch, "show it again every SECONDS (2), until q or Ctrl-C")
      .type_name("SECONDS")
      .implied_value("2")
      .positive();
  return {command, [&common, watch] {
            return run_report({common.socket, common.json, *watch}, {"status", status_text});
          }};
}

Command models_command(CLI::App& app, Common& common) {
  Arguments command = add_command(app, common, "models", "The configured models and their states",
                                  "  gpumodelctl models\n");
  return {command, [&common] {
            return run_report({common.socket, common.json, 0}, {"models", models_text});
          }};
}

Command plan_command(CLI::App& app, Common& common) {
  Arguments command =
      add_command(app, common, "plan",
                  "What the daemon would do to grant these models together now: load what, "
                  "where, evicting whom, in about how long. Nothing is changed.",
                  "  gpumodelctl plan concept\n"
                  "  gpumodelctl plan concept relationship --json\n");
  auto models = std::make_shared<std::vector<std::string>>();
  command.add_option("models", *models, "configured models' names").required().type_name("MODEL");
  return {command, [&common, models] {
            const Client client = connect(common.socket);
            const ordered_json plan = call(client.get(), "plan", {{"models", *models}});
            fmt::print("{}", common.json ? plan.dump() + '\n'
                                         : plan_text(plan, *models, view_of(STDOUT_FILENO)));
            return kExitDone;
          }};
}

Command why_command(CLI::App& app, Common& common) {
  Arguments command =
      add_command(app, common, "why",
                  "Why a model is loaded, waiting, suspended or evicted: the last decisions",
                  "  gpumodelctl why concept\n");
  auto model = std::make_shared<std::string>();
  command.add_option("model", *model, "a configured model's name").required().type_name("MODEL");
  return {command, [&common, model] {
            const Client client = connect(common.socket);
            const ordered_json why = call(client.get(), "why", {{"model", *model}});
            fmt::print("{}",
                       common.json ? why.dump() + '\n' : why_text(why, view_of(STDOUT_FILENO)));
            return kExitDone;
          }};
}

Command events_command(CLI::App& app, Common& common) {
  Arguments command =
      add_command(app, common, "events",
                  "What the daemon did: loads, evictions, grants, losses. With --json one "
                  "object a line.",
                  "  gpumodelctl events --limit 20\n"
                  "  gpumodelctl events --follow --json | jq -c 'select(.type==\"loaded\")'\n");
  auto options = std::make_shared<EventsCommand>();
  command.add_flag("--follow", options->follow, "go on with what comes, until Ctrl-C");
  command
      .add_option("--after", options->after_seq,
                  "only events with a larger number (`seq` in --json)")
      .type_name("SEQ")
      .not_negative();
  command.add_option("--limit", options->limit, "at most the N newest of those before now (100)")
      .type_name("N")
      .range(1, 1000);
  return {command, [&common, options] {
            options->socket = common.socket;
            options->json = common.json;
            return run_events(*options);
          }};
}

}  // namespace

void add_report_commands(CLI::App& app, Common& common, std::vector<Command>& out) {
  out.push_back(status_command(app, common));
  out.push_back(models_command(app, common));
  out.push_back(plan_command(app, common));
  out.push_back(why_command(app, common));
  out.push_back(events_command(app, common));
}

}  // namespace gpumodelctl
