// What may stand at the cursor of a half-written command line: the answer to completion.bash, .zsh
// and .fish.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace gpumodelctl {

// What stands at the cursor: words known from here, and the kind of name that only the daemon
// knows.
struct Candidates {
  std::vector<std::string> words;
  std::string
      kind;  // "MODEL", "DEVICE", "LEASE"; "" none; anything else (PATH, TEXT) is the shell's
};

// `words` are those of the command line without the program's name, up to and with the one at the
// cursor (which may be ""). Commands and options are the parser's own, so that nothing is forgotten
// here.
Candidates complete(const CLI::App& app, const std::vector<std::string>& words);

// The names of a kind, as the daemon answers within a fifth of a second; none where it does not.
std::vector<std::string> names_of(const std::string& kind, const std::string& socket);

}  // namespace gpumodelctl
