#include "client/input.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace transept::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Input, IdsMayHaveCommasOrSpacesBetweenThem) {
  for (const char* text : {"5,10,1", "5 10 1", " 5, 10,  1 "}) {
    const auto input = ToInput(text, /*ids=*/true);
    ASSERT_TRUE(input.ok()) << text;
    EXPECT_THAT(input->tokens().ids(), ElementsAre(5, 10, 1)) << text;
  }
  EXPECT_THAT(ParseIds("")->ids(), IsEmpty());
  EXPECT_THAT(std::string(ToInput("5 x", true).status().message()),
              HasSubstr("\"x\" is no token id"));
  EXPECT_FALSE(ParseIds("9999999999").ok());
  EXPECT_EQ(ToInput("5 x", /*ids=*/false)->text(), "5 x");
}

TEST(Input, FindsWhatIsNotUtf8) {
  for (const char* text :
       {"", "abc", "é", "日本", "\xF0\x9F\x98\x80", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(FindNotUtf8(text), std::nullopt) << text;
  }
  for (const char* text :
       {"\xFF", "\x80", "\xC0\x80", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE3\x81"}) {
    EXPECT_EQ(FindNotUtf8(std::string("é") + text + "a"), 2u) << text;
  }
}

}  // namespace
}  // namespace transept::client
