// Lines of 100 kB: every tokenizer of tests/data/text and tests/data/translation against what
// transformers gave for them (tools/goldens/long_lines.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "engine/json/json.h"
#include "engine/text/tokenizer.h"
#include "tests/engine/text/golden_files.h"

namespace transept {
namespace {

constexpr char kText[] = "tests/data/text/";
constexpr char kTranslation[] = "tests/data/translation/";

// Folders with a tokenizer's files, sorted.
std::vector<std::string> Folders() {
  std::vector<std::string> folders;
  for (const char* root : {kText, kTranslation}) {
    for (const auto& entry : std::filesystem::directory_iterator(root)) {
      if (std::filesystem::exists(entry.path() / "tokenizer_config.json")) {
        folders.push_back(entry.path());
      }
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

std::string Make(const JsonView& recipe, const std::vector<std::string>& lines) {
  if (recipe["text"].exists()) return Repeat(recipe["text"], recipe["times"]);
  std::string line = absl::StrJoin(lines, *recipe["between"].AsString());
  for (size_t i = 0; i < recipe["without"].size(); ++i) {
    line = absl::StrReplaceAll(line, {{*recipe["without"][i].AsString(), ""}});
  }
  return line;
}

class LongLinesTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ModelSpec spec;
    spec.vocab_size = 5000;
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = LoadTokenizer(GetParam(), spec);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
    const JsonDocument file = Read(std::string(kText) + "lines.json");
    std::vector<std::string> lines;
    for (size_t i = 0; i < file["lines"].size(); ++i) {
      lines.push_back(*file["lines"][i].AsString());
    }
    const JsonDocument recipes = Read(std::string(kText) + "long_lines.json");
    for (size_t i = 0; i < recipes.root().size(); ++i) {
      long_lines_.push_back(Make(recipes.root()[i], lines));
    }
    if (!GetParam().starts_with(kTranslation)) return;  // golden_test.cc has the rest
    for (size_t i = 0; i < file["repeated"].size(); ++i) {
      long_lines_.push_back(Repeat(file["repeated"][i][0], file["repeated"][i][1]));
    }
  }

  const JsonDocument golden_ = Read(GetParam() + "/long_lines_golden.json");
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<std::string> long_lines_;
};

TEST_P(LongLinesTest, IdsAndWhatTheyGiveBack) {
  const JsonView expected_ids = golden_["ids"], expected_texts = golden_["decoded"];
  ASSERT_EQ(long_lines_.size(), expected_ids.size());
  ASSERT_EQ(long_lines_.size(), expected_texts.size());
  for (size_t i = 0; i < long_lines_.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "line " << i << ": " << long_lines_[i].substr(0, 200));
    EXPECT_GE(long_lines_[i].size(), 90000u);
    const std::vector<TokenId> ids = *tokenizer_->Encode(long_lines_[i]);
    EXPECT_EQ(ids.size(), *expected_ids[i][0].AsInt());
    EXPECT_EQ(Checksum(ids), *expected_ids[i][1].AsInt());
    const std::string text = tokenizer_->Decode(ids);
    EXPECT_EQ(Checksum(text), *expected_texts[i].AsInt()) << text.substr(0, 200);
    const auto detokenizer = tokenizer_->NewDetokenizer();
    std::string streamed;
    for (const TokenId id : ids) streamed += detokenizer->Append(absl::MakeConstSpan(&id, 1));
    EXPECT_EQ(streamed + detokenizer->Finish(), text);
  }
}

std::string NameOf(const testing::TestParamInfo<std::string>& info) {
  const std::filesystem::path folder = info.param;
  return folder.parent_path().filename().string() + "_" + folder.filename().string();
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, LongLinesTest, testing::ValuesIn(Folders()), NameOf);

}  // namespace
}  // namespace transept
