#include "broker/principals.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>

namespace gpumodel::broker {
namespace {

constexpr std::size_t kRecordBytes = 16 * 1024;
constexpr std::size_t kMostRecordBytes = 4u << 20;

// Calls `get(buffer)` with growing buffers while it says ERANGE (a group with many members).
template <class Get>
void with_buffer(Get get) {
  std::vector<char> buffer(kRecordBytes);
  while (get(buffer) == ERANGE && buffer.size() < kMostRecordBytes)
    buffer.resize(2 * buffer.size());
}

}  // namespace

bool Principals::contains(uid_t uid, const std::vector<gid_t>& groups_of_user) const {
  if (std::find(users.begin(), users.end(), uid) != users.end()) return true;
  return std::any_of(groups.begin(), groups.end(), [&](gid_t group) {
    return std::find(groups_of_user.begin(), groups_of_user.end(), group) != groups_of_user.end();
  });
}

namespace {

std::optional<uid_t> find_user(const std::string& name) {
  std::optional<uid_t> found;
  with_buffer([&](std::vector<char>& buffer) {
    passwd record{};
    passwd* result = nullptr;
    const int error = ::getpwnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &result);
    if (result != nullptr) found = record.pw_uid;
    return error;
  });
  return found;
}

std::optional<gid_t> find_group(const std::string& name) {
  std::optional<gid_t> found;
  with_buffer([&](std::vector<char>& buffer) {
    group record{};
    group* result = nullptr;
    const int error = ::getgrnam_r(name.c_str(), &record, buffer.data(), buffer.size(), &result);
    if (result != nullptr) found = record.gr_gid;
    return error;
  });
  return found;
}

}  // namespace

Directory system_directory() { return {find_user, find_group}; }

std::optional<std::string> name_of_user(uid_t uid) {
  std::optional<std::string> found;
  with_buffer([&](std::vector<char>& buffer) {
    passwd record{};
    passwd* result = nullptr;
    const int error = ::getpwuid_r(uid, &record, buffer.data(), buffer.size(), &result);
    if (result != nullptr) found = record.pw_name;
    return error;
  });
  return found;
}

UserNames::UserNames(Aside& aside) : aside_(aside) {
  for (const uid_t uid : {uid_t{0}, ::getuid()}) names_.emplace(uid, name_of_user(uid));
}

void UserNames::learn(uid_t uid) {
  if (!names_.try_emplace(uid).second) return;
  aside_.run([uid] { return name_of_user(uid).value_or(""); },
             [this, uid](const std::optional<std::string>& name) {
               if (name && !name->empty()) names_[uid] = *name;
             });
}

std::optional<std::string> UserNames::name(uid_t uid) const {
  const auto found = names_.find(uid);
  return found != names_.end() ? found->second : std::nullopt;
}

}  // namespace gpumodel::broker
