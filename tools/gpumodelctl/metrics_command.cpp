#include <fmt/core.h>

#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/facts.hpp"
#include "gpumodelctl/session.hpp"

namespace gpumodelctl {

using nlohmann::ordered_json;

// The text is for Prometheus and goes out as the daemon made it.
void add_metrics_command(CLI::App& app, Common& common, std::vector<Command>& out) {
  Arguments command =
      add_command(app, common, "metrics",
                  "What the daemon counted since its start, and how things stand, as Prometheus' "
                  "text; METRICS.md lists the names",
                  "  gpumodelctl metrics\n"
                  "  gpumodelctl metrics | grep time_to_first_token\n"
                  "  gpumodelctl metrics --json | jq '.families[] | select(.type==\"counter\")'\n");
  out.push_back({command, [&common] {
                   const Client client = connect(common.socket);
                   const char* format = common.json ? "families" : "text";
                   const ordered_json result = call(client.get(), "metrics", {{"format", format}});
                   if (common.json) {
                     const ordered_json families = {{"families", at(result, "families")}};
                     fmt::print("{}\n", families.dump());
                   } else {
                     fmt::print("{}", words(at(result, "text")));
                   }
                   return kExitDone;
                 }});
}

}  // namespace gpumodelctl
