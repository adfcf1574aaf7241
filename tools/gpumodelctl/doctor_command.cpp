// doctor: all checks in turn, and how they are told.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "gpumodelctl/commands.hpp"
#include "gpumodelctl/doctor.hpp"
#include "gpumodelctl/format.hpp"
#include "gpumodelctl/session.hpp"
#include "os/engine_program.hpp"

namespace gpumodelctl {
namespace {

using nlohmann::ordered_json;

constexpr std::array kNames{"ok", "warn", "fail"};
constexpr std::array kTones{Tone::good, Tone::warning, Tone::bad};

const char* name(Level level) { return kNames[static_cast<std::size_t>(level)]; }

std::size_t count(const Findings& findings, Level level) {
  return static_cast<std::size_t>(std::count_if(
      findings.begin(), findings.end(), [&](const Finding& each) { return each.level == level; }));
}

// Lines behind the first stand below it.
std::string indented(std::string text, std::size_t columns) {
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1))
    text.insert(at + 1, columns, ' ');
  return text;
}

std::string tamed_lines(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += (at == 0 ? "" : "\n") + tamed(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// Beside this program, or where packages put it.
std::string find_daemon_program() {
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* folder : {".", "../sbin"}) {
    const auto path = (own / folder / "gpumodeld").lexically_normal();
    if (::access(path.c_str(), X_OK) == 0) return path.string();
  }
  return "/usr/sbin/gpumodeld";
}

void append(Findings& to, Findings more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

std::string findings_text(const Findings& findings, const View& view) {
  std::string out;
  constexpr std::size_t kIndent = 15;
  for (const Finding& finding : findings) {
    const auto level = static_cast<std::size_t>(finding.level);
    const std::string word = fmt::format("{:<4}", name(finding.level));
    out += fmt::format("{}  {:<7}  {}\n", painted(kTones[level], word, view.colour), finding.check,
                       indented(tamed_lines(finding.text), kIndent));
    if (!finding.remedy.empty())
      out += fmt::format("{}remedy: {}\n", std::string(kIndent, ' '),
                         indented(tamed_lines(finding.remedy), kIndent));
  }
  return out + fmt::format("\n{} ok, {} to look at, {} failed\n", count(findings, Level::ok),
                           count(findings, Level::warn), count(findings, Level::fail));
}

ordered_json findings_json(const Findings& findings) {
  ordered_json rows = ordered_json::array();
  for (const Finding& finding : findings)
    rows.push_back(
        {{"check", finding.check},
         {"level", name(finding.level)},
         {"text", finding.text},
         {"remedy", finding.remedy.empty() ? ordered_json() : ordered_json(finding.remedy)}});
  return {{"findings", rows},
          {"ok", count(findings, Level::ok)},
          {"warn", count(findings, Level::warn)},
          {"fail", count(findings, Level::fail)}};
}

int run_doctor(const DoctorCommand& command) {
  const std::string engine = gpumodel::os::find_engine_program();
  ordered_json status;
  Findings findings = check_socket(socket_path(command.socket));
  append(findings, check_service(command.socket, status));
  append(findings, check_driver(""));
  append(findings, check_engine(engine));
  append(findings, check_limits("", status));
  append(findings, check_config(command.config, find_daemon_program(), engine));
  fmt::print("{}", command.json ? findings_json(findings).dump() + '\n'
                                : findings_text(findings, view_of(STDOUT_FILENO)));
  return count(findings, Level::fail) == 0 ? kExitDone : kExitFailed;
}

void add_doctor_command(CLI::App& app, Common& common, std::vector<Command>& out) {
  Arguments command = add_command(
      app, common, "doctor",
      "Whether all is right for you to be served here: socket, group, service, driver, engine, "
      "limits, configuration and every model's folder, each with the remedy where it is not.\n"
      "Exit code 1 where something fails.",
      "  gpumodelctl doctor\n"
      "  sudo gpumodelctl doctor --config /etc/gpumodeld/gpumodeld.toml\n");
  auto options = std::make_shared<DoctorCommand>();
  options->config = "/etc/gpumodeld/gpumodeld.toml";
  command.add_option("--config", options->config, "the daemon's configuration")
      .type_name("PATH")
      .show_default();
  out.push_back({command, [&common, options] {
                   options->socket = common.socket;
                   options->json = common.json;
                   return run_doctor(*options);
                 }});
}

}  // namespace gpumodelctl
