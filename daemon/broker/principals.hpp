// Users and groups that the configuration names, and names for uids that clients have.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/aside.hpp"

namespace gpumodel::broker {

struct Principals {
  std::vector<uid_t> users;
  std::vector<gid_t> groups;

  bool contains(uid_t uid, const std::vector<gid_t>& groups_of_user) const;
};

// Where names of users and groups are looked up.
struct Directory {
  std::function<std::optional<uid_t>(const std::string& name)> user;
  std::function<std::optional<gid_t>(const std::string& name)> group;
};
// The system's own (NSS): it may block, and so has no place in the loop.
Directory system_directory();
std::optional<std::string> name_of_user(uid_t uid);

// Names of uids for `status`. Each is looked up once, aside, when its first connection comes;
// until it is known it has none.
class UserNames {
 public:
  // Looks up root and this process's own user at once.
  explicit UserNames(Aside& aside);

  void learn(uid_t uid);
  std::optional<std::string> name(uid_t uid) const;

 private:
  Aside& aside_;
  std::unordered_map<uid_t, std::optional<std::string>> names_;
};

}  // namespace gpumodel::broker
