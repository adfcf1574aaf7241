#include <algorithm>
#include <map>
#include <set>

#include "engine/io/json.hpp"
#include "engine/io/printable.hpp"
#include "engine/io/safetensors.hpp"

namespace gpumodel::engine::io {
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMaxShards = 4096;

using WeightMap = std::map<std::string, std::string>;  // tensor -> shard

WeightMap parse_index(const std::string& text) {
  const nlohmann::json root = parse_json(text, kIndex);
  const auto map = root.is_object() ? root.find("weight_map") : root.end();
  if (map == root.end() || !map->is_object() || map->empty()) {
    throw BadModel(kIndex, "has no weight_map of tensors to files");
  }
  WeightMap weights;
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string()) {
      throw BadModel(kIndex, "names no file for tensor " + printable(tensor));
    }
    weights.emplace(tensor, shard.get<std::string>());
  }
  return weights;
}

OpenFile open_shard(const Folder& folder, const std::string& name) {
  const std::string_view suffix = ".safetensors";
  const bool fits = name.size() > suffix.size() && name.find('/') == std::string::npos &&
                    name.find("..") == std::string::npos &&
                    std::string_view(name).substr(name.size() - suffix.size()) == suffix;
  if (!fits) {
    throw BadModel(kIndex, "names \"" + printable(name) +
                               "\", which is not a safetensors file of this folder");
  }
  return folder.open_file(name);
}

TensorIndex open_shards(const Folder& folder, const WeightMap& weights) {
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weights) {
    if (shards.insert(shard).second && shards.size() > kMaxShards) {
      throw BadModel(kIndex, "names more than " + std::to_string(kMaxShards) + " files");
    }
  }
  TensorIndex index;
  for (const std::string& shard : shards) {
    const auto number = static_cast<std::uint32_t>(index.files.size());
    index.files.push_back(open_shard(folder, shard));
    for (auto& [name, tensor] : read_safetensors_header(index.files.back())) {
      const auto expected = weights.find(name);
      if (expected == weights.end()) continue;  // as in transformers, only the index counts
      if (expected->second != shard) {
        throw BadModel(shard, "has tensor " + printable(name) + ", which " + kIndex +
                                  " says is in " + printable(expected->second));
      }
      tensor.file = number;
      index.tensors.emplace(name, std::move(tensor));
    }
  }
  for (const auto& [name, shard] : weights) {
    if (index.tensors.find(name) == index.tensors.end()) {
      throw BadModel(shard,
                     "lacks tensor " + printable(name) + ", which " + kIndex + " says is in it");
    }
  }
  return index;
}

// What to say where there are no safetensors under the names that transformers knows.
std::string what_is_there(const Folder& folder) {
  const std::vector<std::string> names = folder.list();
  const auto has = [&names](std::string_view suffix) {
    return std::any_of(names.begin(), names.end(), [suffix](const std::string& name) {
      return name.size() > suffix.size() &&
             std::string_view(name).substr(name.size() - suffix.size()) == suffix;
    });
  };
  if (has(".gguf")) return "is missing; GGUF files are not read: convert them to safetensors";
  if (has(".bin") || has(".pt") || has(".pth")) {
    return "is missing; pickled weights are not read: convert them to safetensors";
  }
  return "is missing, and so is " + std::string(kIndex);
}

}  // namespace

TensorIndex open_tensors(const Folder& folder) {
  if (std::optional<OpenFile> file = folder.find_file(kSingle)) {
    TensorIndex index;
    index.tensors = read_safetensors_header(*file);
    index.files.push_back(std::move(*file));
    return index;
  }
  if (const std::optional<std::string> text = folder.find_text(kIndex, kMaxJsonBytes)) {
    return open_shards(folder, parse_index(*text));
  }
  throw BadModel(kSingle, what_is_there(folder));
}

}  // namespace gpumodel::engine::io
