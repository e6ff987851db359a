#include "engine/text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace transept {
namespace {

TEST(Utf8Test, DecodesEveryLength) {
  const struct {
    std::string text;
    char32_t code_point;
  } cases[] = {{"A", 'A'},
               {"\xC2\x80", 0x80},
               {"\xDF\xBF", 0x7FF},
               {"\xE0\xA0\x80", 0x800},
               {"\xED\x9F\xBF", 0xD7FF},
               {"\xEE\x80\x80", 0xE000},
               {"\xEF\xBF\xBF", 0xFFFF},
               {"\xF0\x90\x80\x80", 0x10000},
               {"\xF4\x8F\xBF\xBF", 0x10FFFF},
               {std::string(1, '\0'), 0}};
  for (const auto& c : cases) {
    const Utf8Char decoded = DecodeUtf8Char(c.text + "x");
    EXPECT_TRUE(decoded.valid);
    EXPECT_EQ(decoded.code_point, c.code_point);
    EXPECT_EQ(decoded.length, c.text.size());
  }
}

TEST(Utf8Test, TellsInvalidFromIncomplete) {
  for (const char* text : {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80",
                           "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80", "\xFF", "\xC3x"}) {
    const Utf8Char c = DecodeUtf8Char(text);
    EXPECT_FALSE(c.valid);
    EXPECT_FALSE(c.incomplete);
  }
  for (const char* text : {"\xC3", "\xE2", "\xE2\x82", "\xF0\x9F", "\xF0\x9F\x98"}) {
    const Utf8Char c = DecodeUtf8Char(text);
    EXPECT_FALSE(c.valid);
    EXPECT_TRUE(c.incomplete);
  }
}

// As Python's bytes.decode("utf-8", errors="replace").
TEST(Utf8Test, ReplacesEachIllFormedSequenceOnce) {
  EXPECT_EQ(ReplaceInvalidUtf8("a\xE2\x82z\xFF\xFF\xC3\xA9"), "a\uFFFDz\uFFFD\uFFFD\u00E9");
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(ReplaceInvalidUtf8("\xF0\x9F\x98"), "\uFFFD");
  EXPECT_TRUE(IsValidUtf8("a\u00E9\u20AC\U0001F600"));
  EXPECT_FALSE(IsValidUtf8("\xE2\x82"));
}

TEST(Utf8Test, StripsUnicodeWhiteSpace) {
  EXPECT_EQ(StripLeft(" \t\u00A0\u3000\u2028a "), "a ");
  EXPECT_EQ(StripRight(" a\u2003\u0085\n "), " a");
  EXPECT_EQ(StripRight("\u3000"), "");
  EXPECT_EQ(StripLeft("\u200Ba"), "\u200Ba");  // a zero-width space is none
}

}  // namespace
}  // namespace transept
