#include "engine/server/chat_input.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using gpumodel::engine::server::chat_context;
namespace wire = gpumodel::wire;

bool is_bad_request(const wire::Error& error) { return error.code == wire::Code::bad_request; }

BOOST_AUTO_TEST_SUITE(chat_input)

BOOST_AUTO_TEST_CASE(messages_become_the_context_of_transformers) {
  const auto context = chat_context({std::vector<wire::Message>{{"user", "Hi"}}, {}});
  BOOST_TEST(context.dump() ==
             R"({"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true,)"
             R"("tools":null,"documents":null})");
}

BOOST_AUTO_TEST_CASE(an_object_keeps_its_values_and_their_order) {
  const auto context = chat_context(
      {{}, R"({"z":1,"messages":[],"add_generation_prompt":false,"tools":[{"b":1,"a":2}]})"});
  BOOST_TEST(context.at("z") == 1);
  BOOST_TEST(context.at("add_generation_prompt") == false);
  BOOST_TEST(context.at("tools").dump() == R"([{"b":1,"a":2}])");
}

BOOST_AUTO_TEST_CASE(refuses_what_is_no_conversation) {
  for (const char* text : {"", "{", "3", "{}", R"({"messages":3})", "\"text\""})
    BOOST_CHECK_EXCEPTION(chat_context({{}, text}), wire::Error, is_bad_request);
  BOOST_CHECK_EXCEPTION(chat_context({{}, std::string(100000, '[')}), wire::Error, is_bad_request);
  BOOST_CHECK_THROW(chat_context({}), wire::Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
