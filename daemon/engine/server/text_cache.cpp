#include "engine/server/text_cache.hpp"

#include <algorithm>

namespace gpumodel::engine::server {
namespace {

// Real path, size, inode and mtime of every text file, and their bytes together.
std::string identify(const io::Folder& folder, std::uint64_t& file_bytes) {
  std::string identity;
  file_bytes = 0;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
    const auto file = folder.find_file(name);
    if (!file) {
      identity += "-\n";
      continue;
    }
    file_bytes += file->bytes;
    identity += file->real_path + " " + std::to_string(file->bytes) + " " +
                std::to_string(file->inode) + " " + std::to_string(file->mtime_ns) + "\n";
  }
  return identity;
}

}  // namespace

std::shared_ptr<const TextModel> TextCache::get(const std::string& path) {
  const io::Folder folder = io::Folder::open(path);
  Entry entry;
  entry.identity = identify(folder, entry.file_bytes);
  if (auto model = find(entry.identity)) return model;
  entry.model = std::make_shared<const TextModel>(TextModel::read(folder));
  const auto model = entry.model;
  insert(std::move(entry));
  return model;
}

std::shared_ptr<const TextModel> TextCache::find(const std::string& identity) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.identity == identity; });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return found->model;
}

void TextCache::insert(Entry entry) {
  std::list<Entry> dropped;  // freed after the lock
  const std::lock_guard lock(mutex_);
  // Another thread may have read the same folder meanwhile.
  entries_.remove_if([&](const Entry& other) { return other.identity == entry.identity; });
  entries_.push_front(std::move(entry));
  std::uint64_t bytes = 0;
  for (const Entry& kept : entries_) bytes += kept.file_bytes;
  while (entries_.size() > 1 && bytes > most_file_bytes_) {
    bytes -= entries_.back().file_bytes;
    dropped.splice(dropped.begin(), entries_, std::prev(entries_.end()));
  }
}

}  // namespace gpumodel::engine::server
