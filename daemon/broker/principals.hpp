// Users and groups that the configuration names, and names for uids that clients have.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace gpumodel::broker {

struct Principals {
  std::vector<uid_t> users;
  std::vector<gid_t> groups;

  bool contains(uid_t uid, const std::vector<gid_t>& groups_of_user) const;
};

// The system's user database (NSS): may block, so used while the configuration is read, not in the
// loop.
std::optional<uid_t> find_user(const std::string& name);
std::optional<gid_t> find_group(const std::string& name);

// Names of uids for `status`, each looked up once: when its first connection comes, in accept, so
// that no request waits for the user database.
class UserNames {
 public:
  // The name, or nothing where the system knows none.
  const std::optional<std::string>& learn(uid_t uid);

 private:
  std::unordered_map<uid_t, std::optional<std::string>> names_;
};

}  // namespace gpumodel::broker
