#include "engine/sample/sampling_params.hpp"

#include <boost/test/unit_test.hpp>

#include "wire/messages.hpp"

namespace {

using gpumodel::engine::io::GenerationDefaults;
using gpumodel::engine::sample::resolve;
using gpumodel::wire::GenerationParams;

BOOST_AUTO_TEST_SUITE(sampling_params)

BOOST_AUTO_TEST_CASE(a_request_without_values_follows_the_model) {
  GenerationDefaults model;
  model.temperature = 0.7f;
  model.top_k = 20;
  model.top_p = 0.8f;
  model.repetition_penalty = 1.05f;
  BOOST_TEST(resolve({}, model, 100, 5).is_greedy());
  model.do_sample = true;
  const auto params = resolve({}, model, 100, 5);
  BOOST_TEST(params.temperature == 0.7f);
  BOOST_TEST(params.top_k == 20);
  BOOST_TEST(params.top_p == 0.8f);
  BOOST_TEST(params.repetition_penalty == 1.05f);
  BOOST_TEST(params.seed == 5u);
}

BOOST_AUTO_TEST_CASE(a_request_overrides_the_model) {
  GenerationDefaults model;
  GenerationParams request;
  request.temperature = 0.5f;
  request.top_k = 0;
  request.top_p = 0.25f;
  request.min_p = 0.125f;
  request.repetition_penalty = 2.0f;
  request.seed = 77;
  const auto params = resolve(request, model, 100, 5);
  BOOST_TEST(params.temperature == 0.5f);
  BOOST_TEST(params.top_k == 0);
  BOOST_TEST(params.top_p == 0.25f);
  BOOST_TEST(params.min_p == 0.125f);
  BOOST_TEST(params.repetition_penalty == 2.0f);
  BOOST_TEST(params.seed == 77u);
  model.do_sample = true;
  request.temperature = 0.0f;
  BOOST_TEST(resolve(request, model, 100, 5).is_greedy());
}

BOOST_AUTO_TEST_CASE(a_bias_on_an_unknown_token_is_refused_by_its_place) {
  GenerationParams request;
  request.logit_bias = {{99, 1.0f}, {100, 1.0f}};
  BOOST_CHECK_EXCEPTION(resolve(request, {}, 100, 5), gpumodel::wire::Error, [](const auto& error) {
    return error.code == gpumodel::wire::Code::bad_request &&
           error.message.find("logit_bias[1]") != std::string::npos;
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
