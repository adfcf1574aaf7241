#include "gpumodelctl/admin.hpp"
#include "gpumodelctl/commands.hpp"

namespace gpumodelctl {
namespace {

Command unload_command(CLI::App& app, Common& common) {
  Arguments command =
      add_command(app, common, "unload",
                  "Take a model's weights off the devices now (administrators). A leased "
                  "model is refused, and its leases are named.",
                  "  gpumodelctl unload concept\n"
                  "  gpumodelctl unload concept --force   # its leases are revoked first\n");
  struct Options {
    std::string model;
    bool force = false;
  };
  auto options = std::make_shared<Options>();
  command.add_option("model", options->model, "a configured model's name")
      .required()
      .type_name("MODEL");
  command.add_flag("--force", options->force, "revoke its leases first");
  return {command, [&common, options] {
            return run_unload({common.socket, common.json}, options->model, options->force);
          }};
}

Command pin_command(CLI::App& app, Common& common, bool on) {
  Arguments command =
      on ? add_command(
               app, common, "pin",
               "Keep a model's weights once they are loaded (administrators), until unpin or the "
               "daemon's end",
               "  gpumodelctl pin concept\n")
         : add_command(app, common, "unpin", "The opposite of pin (administrators)",
                       "  gpumodelctl unpin concept\n");
  auto model = std::make_shared<std::string>();
  command.add_option("model", *model, "a configured model's name").required().type_name("MODEL");
  return {command, [&common, model, on] {
            return run_pin({common.socket, common.json}, *model, on);
          }};
}

Command drain_command(CLI::App& app, Common& common) {
  Arguments command =
      add_command(app, common, "drain",
                  "Take no new work (administrators): the daemon, or with --device no loads on "
                  "that device. What runs goes on.",
                  "  gpumodelctl drain --device cuda:1\n"
                  "  gpumodelctl drain --device cuda:1 --off\n");
  struct Options {
    std::string device;
    bool off = false;
  };
  auto options = std::make_shared<Options>();
  command.add_option("--device", options->device, "this device only").type_name("DEVICE");
  command.add_flag("--off", options->off, "take work again");
  return {command, [&common, options] {
            return run_drain({common.socket, common.json}, options->device, !options->off);
          }};
}

Command revoke_command(CLI::App& app, Common& common) {
  Arguments command = add_command(
      app, common, "revoke", "End somebody's lease (administrators); `status` shows the numbers",
      "  gpumodelctl revoke 12 --reason \"maintenance at noon\"\n");
  struct Options {
    std::uint64_t lease = 0;
    std::string reason;
  };
  auto options = std::make_shared<Options>();
  command.add_option("lease", options->lease, "the lease's number").required().type_name("LEASE");
  command.add_option("--reason", options->reason, "what its holder is told, at most 256 bytes")
      .type_name("TEXT");
  return {command, [&common, options] {
            return run_revoke({common.socket, common.json}, options->lease, options->reason);
          }};
}

}  // namespace

void add_admin_commands(CLI::App& app, Common& common, std::vector<Command>& out) {
  out.push_back(unload_command(app, common));
  out.push_back(pin_command(app, common, true));
  out.push_back(pin_command(app, common, false));
  out.push_back(drain_command(app, common));
  out.push_back(revoke_command(app, common));
}

}  // namespace gpumodelctl
