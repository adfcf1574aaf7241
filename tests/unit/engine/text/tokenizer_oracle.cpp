#include "tokenizer_oracle.hpp"

#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "engine/text/detokenizer.hpp"
#include "support/testdata.hpp"

namespace gpumodel::test {
namespace {

using engine::text::Detokenizer;
using engine::text::Tokenizer;
using nlohmann::json;

constexpr int kShownDifferences = 3;

std::string escaped(const std::string& text) {
  return json(text).dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  Detokenizer detokenizer(tokenizer, /*skip_special=*/false);
  std::string text;
  for (const std::int32_t id : ids) text += detokenizer.push(id);
  return text + detokenizer.flush();
}

// Empty if all agrees.
std::string difference(const Tokenizer& tokenizer, const json& expected) {
  const auto text = expected.at("text").get<std::string>();
  const auto ids = expected.at("ids").get<std::vector<std::int32_t>>();
  const auto special = expected.at("special").get<std::vector<std::int32_t>>();
  const auto decoded = expected.at("decoded").get<std::string>();
  if (const auto got = tokenizer.encode(text, false); got != ids) {
    return escaped(text) + "\n  ids " + json(got).dump() + "\n  not " + json(ids).dump();
  }
  if (tokenizer.encode(text, true) != special) return escaped(text) + ": add_special";
  if (const auto got = tokenizer.decode(special, false); got != decoded) {
    return escaped(text) + "\n  decoded " + escaped(got) + "\n      not " + escaped(decoded);
  }
  if (tokenizer.decode(special, true) != expected.at("skipped").get<std::string>()) {
    return escaped(text) + ": skip_special";
  }
  if (streamed(tokenizer, special) != decoded) return escaped(text) + ": streamed";
  return {};
}

}  // namespace

TemporaryFile::TemporaryFile(const std::string& contents) : path_("/tmp/gpumodel-test-XXXXXX") {
  const int fd = mkstemp(path_.data());
  if (fd < 0) throw std::runtime_error("cannot make a temporary file");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(fdopen(fd, "w"), &std::fclose);
  if (std::fwrite(contents.data(), 1, contents.size(), file.get()) != contents.size()) {
    throw std::runtime_error("cannot write a temporary file");
  }
}

TemporaryFile::~TemporaryFile() { unlink(path_.c_str()); }

int compare_with_oracle(const std::string& texts, const std::string& path,
                        const std::string& what) {
  const Tokenizer tokenizer = Tokenizer::parse(read_file(path));
  std::string command;
  command.append("'").append(oracle_python()).append("' '");
  command.append(source_path("tests/support/tokenizer_oracle.py")).append("' ");
  command.append(texts).append(" '").append(path).append("'");
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot start the oracle");
  std::string output;
  std::array<char, 65536> buffer;
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), count);
  }
  BOOST_TEST_REQUIRE(pclose(pipe) == 0, what << ": the oracle failed");
  int compared = 0;
  int different = 0;
  for (std::size_t begin = 0; begin < output.size(); ++compared) {
    const std::size_t end = output.find('\n', begin);
    const std::string found = difference(tokenizer, json::parse(output.substr(begin, end - begin)));
    if (!found.empty() && different++ < kShownDifferences) BOOST_ERROR(what << ": " << found);
    begin = end + 1;
  }
  BOOST_TEST(different == 0, what << ": " << different << " of " << compared << " texts differ");
  return compared;
}

int compare_contents_with_oracle(const std::string& texts, const std::string& contents) {
  const TemporaryFile file(contents);
  return compare_with_oracle(texts, file.path(), contents.substr(0, 400));
}

}  // namespace gpumodel::test
