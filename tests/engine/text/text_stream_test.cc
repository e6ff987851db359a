#include "engine/text/text_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/json/json.h"
#include "engine/text/byte_tokenizer.h"

namespace transept {
namespace {

// ByT5's tokenizer: every text is some sequence of its tokens.
const Tokenizer& Bytes() {
  static const std::unique_ptr<ByteTokenizer> tokenizer =
      *ByteTokenizer::Create(*JsonDocument::Parse("{}", "tokenizer_config.json"));
  return *tokenizer;
}

std::vector<TokenId> Ids(std::string_view text) {
  std::vector<TokenId> ids = *Bytes().Encode(text);
  ids.pop_back();  // EOS
  return ids;
}

struct Output {
  std::string text;
  bool stopped = false;
  bool operator==(const Output&) const = default;
};

void PrintTo(const Output& output, std::ostream* out) {
  *out << '"' << output.text << '"' << (output.stopped ? " stopped" : "");
}

Output Feed(std::string_view text, std::vector<std::string> stop_sequences, size_t chunk) {
  TextStream stream(&Bytes(), std::move(stop_sequences));
  const std::vector<TokenId> ids = Ids(text);
  Output output;
  for (size_t i = 0; i < ids.size(); i += chunk) {
    output.text += stream.Append(absl::MakeSpan(ids).subspan(i, chunk));
  }
  output.text += stream.Finish();
  output.stopped = stream.stopped();
  return output;
}

TEST(TextStreamTest, WithoutStopSequencesAllTextPasses) {
  EXPECT_EQ(Feed("héllo wörld €", {}, 1), (Output{"héllo wörld €", false}));
  EXPECT_EQ(Feed("héllo", {""}, 3), (Output{"héllo", false}));
}

TEST(TextStreamTest, EndsBeforeTheStopSequence) {
  for (size_t chunk : {1, 2, 3, 100}) {
    EXPECT_EQ(Feed("one two three", {"two"}, chunk), (Output{"one ", true}));
    EXPECT_EQ(Feed("one two three", {"four"}, chunk), (Output{"one two three", false}));
    EXPECT_EQ(Feed("stop", {"stop"}, chunk), (Output{"", true}));
    EXPECT_EQ(Feed("a\n\nb", {"\n\n"}, chunk), (Output{"a", true}));
    EXPECT_EQ(Feed("größer", {"öß"}, chunk), (Output{"gr", true}));
  }
}

TEST(TextStreamTest, TheSequenceThatIsCompleteFirstCounts) {
  for (size_t chunk : {1, 3, 100}) {
    EXPECT_EQ(Feed("abcdefg", {"abcdef", "cd"}, chunk), (Output{"ab", true}));
    EXPECT_EQ(Feed("abcdefg", {"d", "bcd", "cd"}, chunk), (Output{"a", true}));  // the longest
    EXPECT_EQ(Feed("aaab", {"aab"}, chunk), (Output{"a", true}));                // overlaps itself
    EXPECT_EQ(Feed("ababac", {"abac"}, chunk), (Output{"ab", true}));
  }
}

TEST(TextStreamTest, HoldsBackOnlyWhatMayBecomeAStopSequence) {
  TextStream stream(&Bytes(), {"END", "\n"});
  EXPECT_EQ(stream.Append(Ids("abE")), "ab");
  EXPECT_EQ(stream.Append(Ids("N")), "");
  EXPECT_EQ(stream.Append(Ids("E")), "EN");
  EXPECT_EQ(stream.Append(Ids("x")), "Ex");
  EXPECT_EQ(stream.Append(Ids("EN")), "");
  EXPECT_FALSE(stream.stopped());
  EXPECT_EQ(stream.Append(Ids("D")), "");
  EXPECT_TRUE(stream.stopped());
  EXPECT_EQ(stream.Append(Ids("more")), "");
  EXPECT_EQ(stream.Finish(), "");
}

TEST(TextStreamTest, FinishReleasesTheRest) {
  TextStream stream(&Bytes(), {"END"});
  EXPECT_EQ(stream.Append(Ids("abEN")), "ab");
  EXPECT_EQ(stream.Finish(), "EN");
  EXPECT_FALSE(stream.stopped());
}

TEST(TextStreamTest, MovesWithItsState) {
  TextStream first(&Bytes(), {"END"});
  EXPECT_EQ(first.Append(Ids("aEN")), "a");
  TextStream second = std::move(first);
  EXPECT_EQ(second.Append(Ids("D")), "");
  EXPECT_TRUE(second.stopped());
}

// The text must not depend on how tokens were cut into calls: engine and server cut differently.
TEST(TextStreamTest, AgreesWithASearchInTheWholeText) {
  std::mt19937 random(7);
  const auto draw = [&](size_t n) { return random() % n; };
  const std::vector<std::string> alphabet = {"a", "b", "é", "€"};
  const auto draw_text = [&](size_t length) {
    std::string text;
    for (size_t i = 0; i < length; ++i) text += alphabet[draw(alphabet.size())];
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    const std::string text = draw_text(draw(30));
    std::vector<std::string> stops;
    for (size_t i = draw(4); i > 0; --i) stops.push_back(draw_text(1 + draw(5)));
    Output expected{text, false};
    size_t best_end = std::string::npos;
    for (const std::string& stop : stops) {
      const size_t at = text.find(stop);
      if (at == std::string::npos) continue;
      const size_t end = at + stop.size();
      if (!expected.stopped || end < best_end || (end == best_end && at < expected.text.size())) {
        expected = {text.substr(0, at), true};
        best_end = end;
      }
    }
    EXPECT_EQ(Feed(text, stops, 1 + draw(6)), expected) << text;
  }
}

}  // namespace
}  // namespace transept
