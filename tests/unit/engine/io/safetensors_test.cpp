#include "engine/io/safetensors.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "support/model_folder.hpp"
#include "support/testdata.hpp"

namespace io = gpumodel::engine::io;
using gpumodel::engine::BadModel;
using gpumodel::test::contains;
using gpumodel::test::has_testdata;
using gpumodel::test::message_of;
using gpumodel::test::safetensors_file;
using gpumodel::test::TemporaryFolder;
using gpumodel::test::testdata;

namespace {

constexpr const char* kFile = "model.safetensors";

io::TensorMap parse(const std::string& header, std::uint64_t data_bytes = 0) {
  return io::parse_safetensors_header(header, 8 + header.size() + data_bytes, kFile);
}

std::string problem(const std::string& header, std::uint64_t data_bytes = 0) {
  return message_of<BadModel>([&] { parse(header, data_bytes); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(safetensors)

BOOST_AUTO_TEST_CASE(offsets_are_from_the_start_of_the_file) {
  const std::string header = R"({"__metadata__":{"format":"pt"},)"
                             R"("b":{"dtype":"BF16","shape":[3,2],"data_offsets":[4,16]},)"
                             R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})";
  const io::TensorMap tensors = parse(header, 16);
  BOOST_REQUIRE(tensors.size() == 2u);
  const io::TensorEntry& b = tensors.at("b");
  BOOST_TEST(b.offset == 8 + header.size() + 4);
  BOOST_TEST(b.bytes == 12u);
  BOOST_TEST(b.dtype == "BF16");
  BOOST_TEST(io::TensorIndex::shape_text(b.shape) == "[3, 2]");
  BOOST_TEST(io::TensorIndex::shape_text(tensors.at("a").shape) == "[]");
}

BOOST_AUTO_TEST_CASE(upstreams_files_are_judged_as_upstream_does,
                     *boost::unit_test::precondition(has_testdata("safetensors_malformed"))) {
  const std::string manifest =
      gpumodel::test::read_file(testdata("safetensors_malformed/manifest.json"));
  const io::Folder folder = io::Folder::open(testdata("safetensors_malformed"));
  // What the message must speak of, by upstream's name of the error.
  const std::map<std::string, std::string> reasons{
      {"MetadataIncompleteBuffer", "bytes"},
      {"HeaderTooLarge", "claims a header"},
      {"HeaderTooSmall", "too short"},
      {"InvalidHeaderLength", "header"},
      {"InvalidHeader", "UTF-8"},
      {"InvalidHeaderDeserialization", "not valid JSON"},
      {"TensorInvalidInfo", "needs"},
      {"ValidationOverflow", "too large to count"},
      {"InvalidOffset", "overlaps"}};
  std::size_t good = 0;
  std::size_t bad = 0;
  for (const auto& entry : nlohmann::json::parse(manifest)) {
    const auto name = entry.at("file").get<std::string>();
    const auto expected = entry.at("expected").get<std::string>();
    if (!folder.find_file(name)) {
      BOOST_TEST_MESSAGE("the manifest's " << name << " is not in the test data");
      continue;
    }
    const std::string message =
        message_of<BadModel>([&] { io::read_safetensors_header(folder.open_file(name)); });
    BOOST_TEST_CONTEXT(name << " expects " << expected << ", says " << message) {
      if (expected == "OK") {
        BOOST_TEST(message == "");
        ++good;
        continue;
      }
      ++bad;
      BOOST_TEST(contains(message, name + ": "));
      const auto reason = reasons.find(expected);
      if (reason != reasons.end()) BOOST_TEST(contains(message, reason->second));
    }
  }
  BOOST_TEST(good >= 6u);
  BOOST_TEST(bad >= 11u);
}

// What stands in the place of weights after an incomplete download.
BOOST_AUTO_TEST_CASE(files_that_are_no_safetensors_at_all) {
  const TemporaryFolder made;
  const auto problem_of = [&made](const std::string& content) {
    made.write(kFile, content);
    return message_of<BadModel>(
        [&] { io::read_safetensors_header(io::Folder::open(made.path()).open_file(kFile)); });
  };
  BOOST_TEST(contains(problem_of("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"),
                      "so it is no safetensors file"));
  BOOST_TEST(contains(problem_of("../../blobs/0123456789abcdef"), "so it is no safetensors file"));
  BOOST_TEST(contains(problem_of(std::string("\x59\0\0\0\0\0\0\0", 8) + std::string(80, ' ')),
                      "longer than the file"));
  BOOST_TEST(contains(problem_of(std::string(8, '\0')), "not valid JSON"));
  BOOST_TEST(contains(problem_of(""), "too short"));
}

BOOST_AUTO_TEST_CASE(every_way_to_lie_about_a_tensor_is_found) {
  const auto tensor = [](const std::string& body) { return "{\"t\":{" + body + "}}"; };
  BOOST_TEST(contains(problem(tensor(R"("dtype":"F32","shape":[1])")), "tensor t lacks"));
  BOOST_TEST(contains(problem(tensor(R"("dtype":"Q4","shape":[1],"data_offsets":[0,4])"), 4),
                      "tensor t has the unknown dtype Q4"));
  BOOST_TEST(contains(problem(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])"), 8),
                      "tensor t has 8 bytes, but F32 [1] needs 4"));
  BOOST_TEST(contains(problem(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), 4),
                      "ends before it begins"));
  BOOST_TEST(contains(problem(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])"), 8),
                      "too many data_offsets"));
  BOOST_TEST(contains(problem(tensor(R"("dtype":"F4","shape":[3],"data_offsets":[0,1])"), 1),
                      "whole byte"));
  BOOST_TEST(contains(problem(tensor(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4),
                      "a negative number"));
  BOOST_TEST(contains(problem(tensor(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), 4),
                      "a fraction"));
  BOOST_TEST(contains(problem(tensor(R"("dtype":4,"shape":[1],"data_offsets":[0,4])"), 4),
                      "a number where it does not belong"));
  BOOST_TEST(contains(
      problem(tensor(R"("dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4])"), 4),
      "has dtype twice"));
  BOOST_TEST(contains(
      problem(tensor(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4])"), 4),
      "too large to count"));
}

BOOST_AUTO_TEST_CASE(tensors_cover_the_data_exactly) {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
  };
  BOOST_TEST(problem(two("[4,8]", "[0,4]"), 8) == "");
  BOOST_TEST(contains(problem(two("[0,4]", "[3,7]"), 7), "tensor b overlaps"));
  BOOST_TEST(contains(problem(two("[0,4]", "[0,4]"), 4), "overlaps"));
  BOOST_TEST(contains(problem(two("[0,4]", "[5,9]"), 9), "tensor b leaves a gap"));
  BOOST_TEST(contains(problem(two("[1,5]", "[5,9]"), 9), "tensor a leaves a gap"));
  BOOST_TEST(contains(problem(two("[0,4]", "[4,8]"), 7), "too short"));
  BOOST_TEST(contains(problem(two("[0,4]", "[4,8]"), 9), "1 bytes after its tensors"));
  BOOST_TEST(contains(problem(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":)"
                              R"([18446744073709551615,18446744073709551615]}})"),
                      "leaves a gap"));
}

BOOST_AUTO_TEST_CASE(the_header_itself_must_be_one_json_object) {
  BOOST_TEST(problem("{}") == "");
  for (const char* header :
       {"", "[]", "1", "null", "{}{}", "{", "\xEF\xBB\xBF{}", "{\"a\":1}", "{\"a\":[]}",
        "{\"__metadata__\":{\"a\":1}}", "{\"__metadata__\":1}"}) {
    BOOST_TEST(problem(header) != "", header);
  }
  BOOST_TEST(contains(problem(R"({"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                              R"("t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})"),
                      "tensor t is there twice"));
}

BOOST_AUTO_TEST_CASE(fields_that_nobody_knows_are_skipped) {
  const std::string known = R"("dtype":"U8","shape":[2],"data_offsets":[0,2])";
  for (const char* value : {"1", "\"x\"", "null", "[1,[2,{\"dtype\":3}]]", "{\"shape\":[9]}"}) {
    BOOST_TEST(problem("{\"t\":{\"new\":" + std::string(value) + "," + known + "}}", 2) == "");
  }
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  BOOST_TEST(contains(problem("{\"t\":{\"new\":" + deep + "," + known + "}}", 2), "too deep"));
}

BOOST_AUTO_TEST_CASE(names_are_fit_for_a_terminal_in_messages) {
  const std::string message =
      problem("{\"a\\u001b[31m\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,0]}}");
  BOOST_TEST(contains(message, "tensor a?[31m has 0 bytes"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(safetensors_index)

namespace {

const std::string kTwoBytes("\1\2", 2);

std::string shard(const std::string& tensor) {
  return safetensors_file({{tensor, "U8", {2}, kTwoBytes}});
}

std::string open_problem(const TemporaryFolder& made) {
  return message_of<BadModel>([&] { io::open_tensors(io::Folder::open(made.path())); });
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_file_or_shards) {
  const TemporaryFolder made;
  made.write("x-1.safetensors", shard("a"));
  made.write("x-2.safetensors", shard("b"));
  made.write("model.safetensors.index.json",
             R"({"weight_map":{"b":"x-2.safetensors","a":"x-1.safetensors"}})");
  const io::TensorIndex sharded = io::open_tensors(io::Folder::open(made.path()));
  BOOST_REQUIRE(sharded.files.size() == 2u);
  BOOST_TEST(sharded.files[sharded.tensors.at("b").file].name == "x-2.safetensors");

  made.write("model.safetensors", shard("c"));
  const io::TensorIndex single = io::open_tensors(io::Folder::open(made.path()));
  BOOST_REQUIRE(single.files.size() == 1u);
  BOOST_TEST(single.tensors.count("c") == 1u);
}

BOOST_AUTO_TEST_CASE(an_index_that_does_not_fit_its_shards_is_refused) {
  const TemporaryFolder made;
  const auto with_map = [&made](const std::string& map) {
    made.write("model.safetensors.index.json", "{\"weight_map\":" + map + "}");
    return open_problem(made);
  };
  made.write("x-1.safetensors", shard("a"));
  made.write("x-2.safetensors", shard("a"));
  BOOST_TEST(with_map(R"({"a":"x-3.safetensors"})") == "x-3.safetensors: is missing");
  BOOST_TEST(contains(with_map(R"({"a":"x-1.safetensors","b":"x-1.safetensors"})"),
                      "x-1.safetensors: lacks tensor b"));
  BOOST_TEST(contains(with_map(R"({"a":"x-1.safetensors","b":"x-2.safetensors"})"),
                      "x-2.safetensors: has tensor a, which"));
  for (const char* name : {"../x-1.safetensors", "/x.safetensors", "a/b.safetensors",
                           "..safetensors", "x-1.bin", "", "."}) {
    BOOST_TEST(contains(with_map("{\"a\":\"" + std::string(name) + "\"}"),
                        "not a safetensors file of this folder"));
  }
  for (const char* map : {"[]", "{}", "null", "{\"a\":1}"}) {
    BOOST_TEST(contains(with_map(map), "model.safetensors.index.json: "), map);
  }
}

BOOST_AUTO_TEST_CASE(says_what_is_there_instead) {
  const TemporaryFolder made;
  BOOST_TEST(contains(open_problem(made), "model.safetensors: is missing, and so is"));
  made.write("pytorch_model.bin", "");
  BOOST_TEST(contains(open_problem(made), "pickled weights are not read"));
}

BOOST_AUTO_TEST_SUITE_END()
