#include "broker/reload.hpp"

#include <boost/test/unit_test.hpp>

using namespace gpumodel;
using broker::Config;
using broker::read_config;
using broker::unchangeable_keys;

namespace {

Config read(const std::string& text) { return read_config(text, "/etc/g/g.toml", 16ull << 30); }

std::string refused(const std::string& now, const std::string& next) {
  std::string text;
  for (const std::string& key : unchangeable_keys(read(now), read(next))) text += key + " ";
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(reload)

BOOST_AUTO_TEST_CASE(what_cannot_change_is_named) {
  const std::string base = "[devices.cpu]\nmemory = \"1 GiB\"\n";
  BOOST_TEST(refused(base, base).empty());
  BOOST_TEST(refused(base, "[daemon]\nsocket = \"/s\"\n" + base) == "daemon.socket ");
  BOOST_TEST(refused(base, "[daemon]\nsocket_mode = \"0600\"\n" + base) == "daemon.socket_mode ");
  BOOST_TEST(refused(base, "[daemon]\nsocket_group = \"root\"\n" + base) == "daemon.socket_group ");
  BOOST_TEST(refused(base, "[devices.cpu]\nmemory = \"2 GiB\"\n") == "devices ");
  BOOST_TEST(refused(base, base + "[devices.\"cpu:1\"]\nmemory = \"1 GiB\"\n") == "devices ");
  BOOST_TEST(refused(base, base + "[host_cache]\nmemory = \"1 GiB\"\n") == "host_cache.memory ");
}

BOOST_AUTO_TEST_CASE(the_rest_may_change) {
  BOOST_TEST(refused("",
                     "[daemon]\nadmins = [\"nobody\"]\nmin_residency = \"1s\"\nmax_wait = \"1s\"\n"
                     "[limits]\nleases = 1\nhold = \"1s\"\n[models.m]\npath = \"/m\"\n")
                 .empty());
}

BOOST_AUTO_TEST_SUITE_END()
