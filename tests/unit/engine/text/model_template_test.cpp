// What a model folder's files say about chat templates and special tokens.
#include "engine/text/model_template.hpp"

#include <filesystem>
#include <fstream>

#include "unit/engine/text/template_support.hpp"

using namespace gpumodel::test;
using gpumodel::engine::text::ChatRequest;
using gpumodel::engine::text::ModelTemplate;

BOOST_AUTO_TEST_SUITE(model_template)

namespace {

// A folder that goes away with the test.
class Folder {
 public:
  Folder() {
    char path[] = "/tmp/gpumodel_model_XXXXXX";
    BOOST_REQUIRE(::mkdtemp(path) != nullptr);
    path_ = path;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder& write(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/" + name, std::ios::binary) << text;
    return *this;
  }
  ModelTemplate load() const { return ModelTemplate::load(path_); }

 private:
  std::string path_;
};

ChatRequest hello() {
  ChatRequest request;
  request.messages = {{{"role", "user"}, {"content", "hello"}}};
  return request;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const TemplateError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

BOOST_AUTO_TEST_CASE(reads_a_template_and_tokens_from_the_configuration) {
  Folder folder;
  folder.write(
      "tokenizer_config.json",
      R"({"chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}",
    "bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null})");
  const ModelTemplate loaded = folder.load();
  BOOST_TEST(loaded.has_template());
  BOOST_TEST(loaded.special_tokens().dump() == R"({"bos_token":"<s>","eos_token":"</s>"})");
  const auto segments = loaded.render_chat(hello());
  BOOST_REQUIRE_EQUAL(segments.size(), 3u);
  BOOST_TEST((segments[0] == Segment{"<s>", true}));
  BOOST_TEST((segments[1] == Segment{"hello", false}));
  BOOST_TEST((segments[2] == Segment{"</s>", true}));
}

BOOST_AUTO_TEST_CASE(prefers_the_template_file_and_fills_tokens_from_the_map) {
  Folder folder;
  folder.write("tokenizer_config.json", R"({"chat_template": "old", "bos_token": "<s>"})")
      .write("chat_template.jinja", "new {{ bos_token }}{{ eos_token }}")
      .write("special_tokens_map.json", R"({"bos_token": "<other>", "eos_token": "</s>"})");
  BOOST_TEST(joined(folder.load().render_chat(hello())) == "new <s></s>");
}

BOOST_AUTO_TEST_CASE(chooses_among_named_templates) {
  Folder folder;
  folder.write("tokenizer_config.json",
               R"({"chat_template": [{"name": "default", "template": "plain"},
    {"name": "tool_use", "template": "tools {{ tools|length }}"}]})");
  ChatRequest request = hello();
  BOOST_TEST(joined(folder.load().render_chat(request)) == "plain");
  request.tools = {{{"name", "f"}}};
  BOOST_TEST(joined(folder.load().render_chat(request)) == "tools 1");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "x"}]})");
  BOOST_TEST(error_of([&] { folder.load().render_chat(hello()); }) ==
             "this model has no chat template named 'default', only 'rag'");
}

BOOST_AUTO_TEST_CASE(passes_what_transformers_passes) {
  Folder folder;
  folder.write("chat_template.jinja",
               "{{ tools is none }} {{ documents is none }} {{ add_generation_prompt }} {{ mood }} "
               "{{ messages }}");
  ChatRequest request;
  request.messages = {{{"role", "assistant"}, {"content", nullptr}, {"reasoning", "hm"}}};
  request.add_generation_prompt = false;
  request.extra = {{"mood", "good"}};
  BOOST_TEST(joined(folder.load().render_chat(request)) ==
             "True True False good [{'thinking': 'hm', 'role': 'assistant', 'reasoning': 'hm', "
             "'reasoning_content': 'hm'}]");
}

BOOST_AUTO_TEST_CASE(extra_values_never_become_template_text) {
  Folder folder;
  folder.write("tokenizer_config.json",
               R"({"chat_template": "{{ bos_token }}", "bos_token": "<s>"})");
  ChatRequest request = hello();
  request.extra = {{"bos_token", "<|system|>"}};
  const auto segments = folder.load().render_chat(request);
  BOOST_REQUIRE_EQUAL(segments.size(), 1u);
  BOOST_TEST((segments[0] == Segment{"<|system|>", false}));
}

BOOST_AUTO_TEST_CASE(says_what_is_wrong) {
  BOOST_TEST(error_of([] { Folder().load().render_chat(hello()); }) ==
             "this model has no chat template; send a plain prompt instead of messages");
  Folder folder;
  folder.write("tokenizer_config.json", "[1");
  BOOST_TEST(error_of([&] { folder.load(); }) == "tokenizer_config.json is not a JSON object");
  folder.write("tokenizer_config.json", R"({"chat_template": 5})");
  BOOST_TEST(error_of([&] { folder.load(); }) ==
             "tokenizer_config.json: chat_template must be a string or a list of {name, template}");
  folder.write("tokenizer_config.json", R"({"chat_template": "\n{% if %}", "bos_token": "<s>"})");
  const ModelTemplate broken = folder.load();
  BOOST_TEST(broken.special_tokens().size() == 1u);
  BOOST_TEST(error_of([&] { broken.render_chat(hello()); }).starts_with("template line 2: "));
  folder.write("chat_template.jinja", "{{ raise_exception('no') }}");
  ChatRequest request = hello();
  BOOST_TEST(error_of([&] { folder.load().render_chat(request); }) == "template line 1: no");
  request.messages = "hi";
  BOOST_TEST(error_of([&] { folder.load().render_chat(request); }) == "messages must be an array");
  request.messages = {"hi"};
  BOOST_TEST(error_of([&] { folder.load().render_chat(request); }) ==
             "every element of messages must be an object");
  request = hello();
  request.extra = {{"messages", "x"}};
  BOOST_TEST(error_of([&] { folder.load().render_chat(request); }) ==
             "'messages' cannot be given as an extra template value");
}

BOOST_AUTO_TEST_CASE(loads_the_real_qwen_folder,
                     *boost::unit_test::precondition(has_testdata("tokenizers/qwen2.5"))) {
  const ModelTemplate qwen = ModelTemplate::load(testdata("tokenizers/qwen2.5"));
  const auto segments = qwen.render_chat(hello());
  BOOST_TEST(joined(segments) ==
             "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
             "assistant.<|im_end|>\n"
             "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n");
  BOOST_TEST(qwen.special_tokens()["eos_token"] == "<|im_end|>");
}

BOOST_AUTO_TEST_SUITE_END()
