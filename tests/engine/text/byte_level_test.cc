#include "engine/text/byte_level.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/text/utf8.h"

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  ForEachGpt2Word(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

TEST(Gpt2WordsTest, RunsOfOneKindWithASpaceBefore) {
  EXPECT_THAT(Words("Hello world 123 !? a1"),
              ElementsAre("Hello", " world", " 123", " !?", " a", "1"));
  EXPECT_THAT(Words("Große  Straße"), ElementsAre("Große", " ", " Straße"));
  EXPECT_THAT(Words("漢字かな½٣x"), ElementsAre("漢字かな", "½٣", "x"));
  EXPECT_THAT(Words("e\u0301te\u0301"), ElementsAre("e", "\u0301", "te", "\u0301"));
  EXPECT_THAT(Words(""), IsEmpty());
}

TEST(Gpt2WordsTest, WhiteSpaceLeavesItsLastCharacterToTheWord) {
  EXPECT_THAT(Words("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(Words("a \n b"), ElementsAre("a", " \n", " b"));
  EXPECT_THAT(Words("a\n\tb"), ElementsAre("a", "\n", "\t", "b"));
  EXPECT_THAT(Words("a\u00A0b"), ElementsAre("a", "\u00A0", "b"));
  EXPECT_THAT(Words("a  "), ElementsAre("a", "  "));
  EXPECT_THAT(Words(" "), ElementsAre(" "));
  EXPECT_THAT(Words(" a"), ElementsAre(" a"));
}

TEST(Gpt2WordsTest, Contractions) {
  EXPECT_THAT(Words("I'm they'll 'tis"), ElementsAre("I", "'m", " they", "'ll", " '", "tis"));
  EXPECT_THAT(Words("'tis"), ElementsAre("'t", "is"));
  EXPECT_THAT(Words("a's'S"), ElementsAre("a", "'s", "'", "S"));
  EXPECT_THAT(Words("!'s''s"), ElementsAre("!'", "s", "''", "s"));
}

std::string Characters(std::string_view bytes) {
  std::string characters;
  AppendByteCharacters(bytes, &characters);
  return characters;
}

std::string Bytes(std::string_view characters) {
  std::string bytes = "+";
  AppendCharacterBytes(characters, &bytes);
  return bytes;
}

TEST(ByteCharactersTest, EachByteHasOneAndBack) {
  EXPECT_EQ(Characters(" a~\n\xC3\xA9"), "Ġa~ĊÃ©");
  EXPECT_EQ(Characters(std::string_view("\0\x7F\x80\xA0\xAD\xFF", 6)), "ĀġĢłŃÿ");
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    EXPECT_EQ(Bytes(Characters(one)), "+" + one);
    EXPECT_EQ(DecodeUtf8Char(Characters(one)).length, Characters(one).size());
  }
}

TEST(ByteCharactersTest, WhatIsNoneStandsForItself) {
  EXPECT_EQ(Bytes("Ġ漢"), "+Ġ漢");
  EXPECT_EQ(Bytes("a b"), "+a b");  // a space is no character of a byte
  EXPECT_EQ(Bytes("Ń"), "+\xAD");
  EXPECT_EQ(Bytes("ń"), "+ń");  // the first one past the last
  EXPECT_EQ(Bytes("\u00AD"), "+\u00AD");
}

}  // namespace
}  // namespace transept
