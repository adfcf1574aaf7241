#include "wire/error.hpp"

#include <gpumodel.h>

#include <map>
#include <sstream>

#include "support/testdata.hpp"

using namespace gpumodel;

BOOST_AUTO_TEST_SUITE(error_test)

// A number of the table that the public header does not have would not compile.
#define GPUMODEL_ERROR(name, constant, number, text) \
  static_assert(constant == (number) && static_cast<int>(wire::Code::name) == (number));
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR

BOOST_AUTO_TEST_CASE(every_code_of_the_header_stands_in_the_table) {
  std::map<std::string, int> table;
#define GPUMODEL_ERROR(name, constant, number, text) table[#constant] = number;
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR
  const std::string header = test::read_file(test::source_path("include/gpumodel.h"));
  std::size_t found = 0;
  for (std::size_t at = header.find("  GM_E_"); at != std::string::npos;
       at = header.find("  GM_E_", at + 1)) {
    std::istringstream line(header.substr(at, header.find('\n', at) - at));
    std::string name, equals;
    int number = 0;
    if (!(line >> name >> equals >> number) || equals != "=") continue;
    ++found;
    BOOST_TEST(table.count(name) == 1u, name << " is not in error_codes.def");
    BOOST_TEST(table[name] == number);
  }
  BOOST_TEST(found == table.size());
}

BOOST_AUTO_TEST_CASE(the_protocol_page_lists_the_same_codes) {
  const std::string page = test::read_file(test::source_path("daemon/PROTOCOL.md"));
#define GPUMODEL_ERROR(name, constant, number, text) \
  BOOST_TEST(page.find("| " #number " | `" #name "` |") != std::string::npos, #name " is not on the page");
#include "wire/error_codes.def"
#undef GPUMODEL_ERROR
}

BOOST_AUTO_TEST_CASE(names_and_texts) {
  BOOST_TEST(wire::code_name(wire::Code::never_fits) == "never_fits");
  BOOST_TEST(!wire::code_text(wire::Code::busy).empty());
  BOOST_TEST(wire::code_name(static_cast<wire::Code>(-12345)) == "unknown");
  BOOST_TEST(wire::Error(wire::Code::busy, "later").retryable);
  BOOST_TEST(!wire::Error(wire::Code::never_fits, "no").retryable);
}

BOOST_AUTO_TEST_SUITE_END()
