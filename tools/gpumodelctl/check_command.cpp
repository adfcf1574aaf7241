// check: whether the engine would run a model's folder, without the daemon.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/failure.hpp"
#include "os/engine_program.hpp"
#include "wire/dtype.hpp"

namespace gpumodelctl {
namespace {

struct CheckCommand {
  std::string path;
  std::string adapter;
  std::string dtype = "auto";
};

// The engine's own report, in this process's place.
[[noreturn]] void become_engine(const CheckCommand& command, bool json) {
  const std::string program = gpumodel::os::find_engine_program();
  std::vector<std::string> words{program, "--check", command.path, "--dtype", command.dtype};
  if (!command.adapter.empty()) words.insert(words.end(), {"--adapter", command.adapter});
  if (json) words.push_back("--json");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  throw Failure(kExitFailed, usage_failure("cannot run " + program + ": " + std::strerror(errno) +
                                           "; gpumodeld's package has it")
                                 .error);
}

}  // namespace

void add_check_command(CLI::App& app, Common& common, std::vector<Command>& out) {
  Arguments command = add_command(
      app, common, "check",
      "Whether a model's folder, and an adapter of it, can be served, what they need, and all that "
      "is not supported.\nReads them as you, without a daemon and without loading them.",
      "  gpumodelctl check /srv/models/Qwen2.5-7B-Instruct\n"
      "  gpumodelctl check /srv/models/Qwen2.5-7B-Instruct --adapter /srv/models/concept-lora\n");
  command.remove_option("--socket");  // it asks no daemon
  auto options = std::make_shared<CheckCommand>();
  command.add_option("path", options->path, "the model's folder").required().type_name("PATH");
  command.add_option("--adapter", options->adapter, "the folder of a LoRA adapter")
      .type_name("PATH");
  command.add_option("--dtype", options->dtype, "as it would be loaded")
      .type_name("auto|bf16|fp16|fp32|int8|int4")
      .one_of({std::begin(gpumodel::wire::kDtypes), std::end(gpumodel::wire::kDtypes)})
      .show_default();
  out.push_back({command, [&common, options]() -> int { become_engine(*options, common.json); }});
}

}  // namespace gpumodelctl
