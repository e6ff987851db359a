#include "client/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "client/request_fields.h"

namespace transept::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

CommandLine Parsed(const std::vector<std::string>& arguments) {
  absl::StatusOr<CommandLine> line = ParseCommandLine(arguments);
  EXPECT_TRUE(line.ok()) << line.status();
  return line.ok() ? *line : CommandLine{};
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  absl::StatusOr<CommandLine> line = ParseCommandLine(arguments);
  return line.ok() ? "no error" : std::string(line.status().message());
}

TEST(CommandLine, ReadsFlagsInEitherSpelling) {
  const CommandLine line =
      Parsed({"generate", "--address=h:1", "--text", "--help", "--max-new-tokens", "7",
              "--min_new_tokens=2", "--json", "--timeout", "0.5", "--concurrency", "3"});
  EXPECT_EQ(line.command, "generate");
  EXPECT_EQ(line.address, "h:1");
  EXPECT_EQ(line.text, "--help");
  EXPECT_EQ(line.request.options().max_new_tokens(), 7);
  EXPECT_EQ(line.request.options().min_new_tokens(), 2);
  EXPECT_TRUE(line.json);
  EXPECT_FALSE(line.stream);
  EXPECT_EQ(line.timeout.count(), 500);
  EXPECT_EQ(line.concurrency, 3);
}

TEST(CommandLine, DashIsTheStandardInput) {
  EXPECT_EQ(Parsed({"generate", "-"}).file, "-");
  EXPECT_EQ(Parsed({"generate", "--file", "-"}).file, "-");
  EXPECT_EQ(Parsed({"generate", "--text", "-"}).text, "-");
  EXPECT_EQ(Parsed({"generate", "--text="}).text, "");
}

TEST(CommandLine, SetsFieldsOfTheRequestAndItsOutput) {
  const CommandLine line =
      Parsed({"generate", "-", "--model", "m", "--priority=-3", "--request-id", "r",
              "--target-prefix", "so far", "--tokens", "--top-logprobs", "4", "--json"});
  EXPECT_EQ(line.request.model(), "m");
  EXPECT_EQ(line.request.priority(), -3);
  EXPECT_EQ(line.request.request_id(), "r");
  EXPECT_EQ(line.request.target_prefix().text(), "so far");
  EXPECT_TRUE(line.request.output().tokens());
  EXPECT_EQ(line.request.output().top_logprobs(), 4);
  EXPECT_FALSE(line.request.has_options()) << "unset options stay unset";
}

TEST(CommandLine, SetsOptionsOfEveryKind) {
  const auto options = Parsed({"generate",
                               "-",
                               "--do-sample",
                               "--renormalize-logits=false",
                               "--temperature",
                               "0.5",
                               "--seed",
                               "18446744073709551615",
                               "--length-penalty",
                               "-1",
                               "--early-stopping",
                               "never",
                               "--suppress-tokens",
                               "1,2,3",
                               "--stop-sequences",
                               "a,b",
                               "--stop-sequences",
                               "c",
                               "--bad-words-ids",
                               R"({"values": [{"ids": [4, 5]}]})",
                               "--exponential-decay-length-penalty",
                               R"({"start_index": 2, "decay_factor": 1.5})"})
                           .request.options();
  EXPECT_TRUE(options.do_sample());
  EXPECT_TRUE(options.has_renormalize_logits());
  EXPECT_FALSE(options.renormalize_logits());
  EXPECT_EQ(options.temperature(), 0.5f);
  EXPECT_EQ(options.seed(), 18446744073709551615u);
  EXPECT_EQ(options.length_penalty(), -1.0f);
  EXPECT_EQ(options.early_stopping(), v1::EARLY_STOPPING_NEVER);
  EXPECT_THAT(options.suppress_tokens().ids(), ElementsAre(1, 2, 3));
  EXPECT_THAT(options.stop_sequences().values(), ElementsAre("a,b", "c"));
  ASSERT_EQ(options.bad_words_ids().values_size(), 1);
  EXPECT_THAT(options.bad_words_ids().values(0).ids(), ElementsAre(4, 5));
  EXPECT_EQ(options.exponential_decay_length_penalty().start_index(), 2);
  EXPECT_FALSE(options.has_top_p());
}

// Whatever the proto calls an option is a flag.
TEST(CommandLine, HasAFlagForEveryOption) {
  const auto* options = v1::GenerationOptions::descriptor();
  const std::string usage = Usage();
  for (int i = 0; i < options->field_count(); ++i) {
    std::string name = options->field(i)->name();
    EXPECT_TRUE(RequestField::Find(name).has_value()) << name;
    std::replace(name.begin(), name.end(), '_', '-');
    EXPECT_THAT(usage, HasSubstr("--" + name));
  }
  for (const char* name : {"source", "options", "output", "no_such"}) {
    EXPECT_FALSE(RequestField::Find(name).has_value()) << name;
  }
}

TEST(CommandLine, ATimeoutIsNeverRoundedToNone) {
  EXPECT_EQ(Parsed({"health", "--timeout", "0.0001"}).timeout.count(), 1);
  EXPECT_EQ(Parsed({"health", "--timeout", "0"}).timeout.count(), 0);
}

TEST(CommandLine, HelpWinsOverEverything) {
  EXPECT_TRUE(Parsed({"--help"}).help);
  EXPECT_TRUE(Parsed({"generate", "--nonsense", "-h"}).help);
  EXPECT_TRUE(Parsed({"--version"}).version);
}

TEST(CommandLine, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(ErrorOf({}), HasSubstr("no command"));
  EXPECT_THAT(ErrorOf({"sing"}), HasSubstr("no command \"sing\""));
  EXPECT_THAT(ErrorOf({"generate", "-", "--top-q", "1"}), HasSubstr("no flag --top-q"));
  EXPECT_THAT(ErrorOf({"models", "--top-p", "1"}), HasSubstr("models has no flag --top-p"));
  EXPECT_THAT(ErrorOf({"models", "--stream"}), HasSubstr("models has no flag --stream"));
  EXPECT_THAT(ErrorOf({"models", "-"}), HasSubstr("unexpected argument \"-\""));
  EXPECT_THAT(ErrorOf({"generate", "hello"}),
              HasSubstr("unexpected argument \"hello\"; a text follows --text"));
}

TEST(CommandLine, RefusesBadValues) {
  EXPECT_THAT(ErrorOf({"generate", "-", "--top-k", "many"}), HasSubstr("--top-k: \"many\""));
  EXPECT_THAT(ErrorOf({"generate", "-", "--top-k", "9999999999"}), HasSubstr("32-bit"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--seed=-1"}), HasSubstr("unsigned"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--do-sample=1"}), HasSubstr("true or false"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--suppress-tokens", "1,x"}),
              HasSubstr("\"x\" is no token id"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--early-stopping", "x"}),
              HasSubstr("\"x\" is not one of false, true, never"));
  EXPECT_THAT(ErrorOf({"encode", "-", "--pooling", "x"}),
              HasSubstr("--pooling: \"x\" is not one of mean, first, last, all"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--ids", "--target-prefix", "5 x"}),
              HasSubstr("--target-prefix: \"x\" is no token id"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--bad-words-ids", "{"}), HasSubstr("TokenSequences"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--bad-words-ids", "[[5]]"}),
              HasSubstr("\"[[5]]\" is not JSON of a TokenSequences: Root element"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--concurrency", "0"}), HasSubstr("--concurrency: \"0\""));
  EXPECT_THAT(ErrorOf({"generate", "-", "--timeout", "nan"}), HasSubstr("--timeout"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--stream=yes"}), HasSubstr("takes no value"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--top-k"}), HasSubstr("--top-k needs a value"));
}

TEST(CommandLine, ATargetPrefixMayBeIds) {
  const auto prefix =
      Parsed({"generate", "--target-prefix", "5 7,9", "--ids", "-"}).request.target_prefix();
  EXPECT_THAT(prefix.tokens().ids(), ElementsAre(5, 7, 9));
}

TEST(CommandLine, PartsThatOnlyJsonShowsNeedIt) {
  for (const char* flag : {"--tokens", "--token-logprobs", "--top-logprobs=3"}) {
    EXPECT_THAT(ErrorOf({"generate", "-", flag}), HasSubstr("need --json")) << flag;
    EXPECT_EQ(ErrorOf({"generate", "-", flag, "--json"}), "no error") << flag;
  }
}

// The examples of --help are read as they stand there.
TEST(CommandLine, HelpShowsValuesOfJson) {
  const std::string usage = Usage();
  int examples = 0;
  for (absl::string_view line : absl::StrSplit(usage, '\n')) {
    const std::vector<std::string> parts = absl::StrSplit(line, '\'');
    if (parts.size() != 3 || !absl::StartsWith(line, "  --")) continue;
    ++examples;
    const std::string flag(absl::StripAsciiWhitespace(parts[0]));
    EXPECT_TRUE(Parsed({"generate", "-", flag, parts[1]}).request.has_options()) << flag;
  }
  EXPECT_EQ(examples, 3);
  EXPECT_THAT(usage, AllOf(HasSubstr("--early-stopping false|true|never"),
                           HasSubstr("--pooling mean|first|last|all")));
}

TEST(CommandLine, WantsExactlyOneSource) {
  EXPECT_THAT(ErrorOf({"generate"}), HasSubstr("needs one of"));
  EXPECT_THAT(ErrorOf({"generate", "-", "--text", "x"}), HasSubstr("needs one of"));
  EXPECT_THAT(ErrorOf({"tokenize"}), HasSubstr("needs one of"));
}

}  // namespace
}  // namespace transept::client
