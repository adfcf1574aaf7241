// The key that clients on loopback show: any user of the machine can connect there.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace gpumodel_openai {

// The first line of the file; where there is none, a fresh key of 256 random bits is put there, for
// its owner alone. Throws std::runtime_error, also where others could read it.
std::string load_or_make_key(const std::filesystem::path& file);

// Whether the header's value is "Bearer KEY". Takes as long wherever they differ.
bool is_authorized(std::string_view header, std::string_view key);

}  // namespace gpumodel_openai
