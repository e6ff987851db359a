// Damaged and malicious tokenizer files: one error that names the file and the field, no crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <string>
#include <string_view>

#include "engine/text/tokenizer.h"
#include "tests/engine/text/temporary_folder.h"

namespace transept {
namespace {

using ::testing::HasSubstr;

absl::Status LoadStatus(const std::string& folder) {
  ModelSpec spec;
  spec.vocab_size = 1000;
  return LoadTokenizer(folder, spec).status();
}

// A small tokenizer.json that loads.
constexpr std::string_view kGoodJson = R"({
  "added_tokens": [{"id": 1, "content": "</s>", "lstrip": false, "special": true}],
  "normalizer": {"type": "Precompiled", "precompiled_charsmap": ""},
  "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}],
    "special_tokens": {"</s>": {"id": "</s>", "ids": [1]}}},
  "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
  "model": {"type": "Unigram", "unk_id": 2, "byte_fallback": false,
    "vocab": [["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["▁a", -1.5]]}})";

std::string Replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result(text);
  const size_t at = result.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return result.replace(at, from.size(), to);
}

TEST(HostileTokenizerJsonTest, TheGoodFileLoads) {
  const TemporaryFolder folder;
  folder.Write("tokenizer.json", kGoodJson);
  EXPECT_TRUE(LoadStatus(folder.path()).ok()) << LoadStatus(folder.path());
}

TEST(HostileTokenizerJsonTest, ErrorsNameFileAndField) {
  const struct {
    const char* from;  // in the good file
    const char* to;
    const char* message;
  } cases[] = {
      {"\"model\"", "\"modell\"", "model.type is absent"},
      {"\"Unigram\"", "\"WordPiece\"", "model.type is \"WordPiece\""},
      {"\"vocab\": [", "\"vocab\": {}, \"x\": [", "model.vocab is {}"},
      {"\"vocab\": [", "\"vocab\": [], \"x\": [", "model.vocab is []"},
      {"[\"▁a\", -1.5]", "7", "model.vocab[3][0] is absent"},
      {"[\"▁a\", -1.5]", "[\"a\"]", "model.vocab[3][1] is absent"},
      {"[\"▁a\", -1.5]", "[5, 0]", "model.vocab[3][0] is 5"},
      {"-1.5", "\"NaN\"", "model.vocab[3][1] is \"NaN\""},
      {"-1.5", "null", "model.vocab[3][1] is null"},
      {"-1.5", "1e999", "tokenizer.json: not valid JSON"},
      {"-1.5", "NaN", "tokenizer.json: not valid JSON"},
      {"\"unk_id\": 2", "\"unk_id\": null", "model.unk_id is null"},
      {"\"unk_id\": 2", "\"unk_id\": 4", "model.unk_id is 4: must lie in [0, 3]"},
      {"\"unk_id\": 2", "\"unk_id\": -1", "model.unk_id is -1"},
      {"\"byte_fallback\": false", "\"byte_fallback\": 1", "model.byte_fallback is 1"},
      {"\"added_tokens\": [", "\"added_tokens\": {}, \"x\": [", "added_tokens is {}"},
      {"\"id\": 1,", "\"id\": 2147483647,", "added_tokens[0].id is 2147483647"},
      {"\"id\": 1,", "\"id\": -1,", "added_tokens[0].id is -1"},
      {"\"id\": 1,", "\"id\": 1e300,", "added_tokens[0].id is 1e+300"},
      {"\"id\": 1,", "\"id\": 5000,", "has 5001 tokens"},
      {"\"content\": \"</s>\"", "\"content\": \"\"", "added_tokens[0].content is \"\""},
      {"\"lstrip\": false", "\"lstrip\": 1", "added_tokens[0].lstrip is 1"},
      {"\"lstrip\": false", "\"single_word\": 1", "added_tokens[0].single_word is 1"},
      {"\"Precompiled\"", "\"NFKC\"", "normalizer.type is \"NFKC\""},
      {"charsmap\": \"", "charsmap\": \"%", "normalizer.precompiled_charsmap is \"%\""},
      {"charsmap\": \"", "charsmap\": \"AAE=", "precompiled_charsmap has 2 bytes"},
      {"{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"\"}",
       R"({"type":"Sequence","normalizers":[{"type":"Replace","content":"b",
           "pattern":{"Regex":"(a+)+"}}]})",
       "normalizer.normalizers[0].pattern.Regex is \"(a+)+\""},
      {"{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"\"}",
       R"({"type":"Replace","content":"b","pattern":{"String":""}})",
       "normalizer.pattern.String is \"\""},
      {"\"Metaspace\"", "\"Digits\"", "pre_tokenizer.type is \"Digits\""},
      {"\"▁\"", "\"_\"", "pre_tokenizer.replacement is \"_\""},
      {"\"first\"", "\"last\"", "pre_tokenizer.prepend_scheme is \"last\""},
      {"\"TemplateProcessing\"", "\"Sequence\"", "post_processor.type is \"Sequence\""},
      {"\"TemplateProcessing\"", "\"RobertaProcessing\"", "post_processor.cls[1] is absent"},
      {"\"single\": [", "\"single\": [], \"x\": [", "post_processor.single is []"},
      {"\"ids\": [1]", "\"ids\": 1", "post_processor.special_tokens.</s>.ids is 1"},
      {"\"ids\": [1]", "\"ids\": [-1]", "post_processor.special_tokens.</s>.ids[0] is -1"},
      {"\"decoder\"", "\"decodr\"", "decoder.type is absent"},
      {"\"decoder\": {\"type\": \"Metaspace\"", "\"decoder\": {\"type\": \"Fuse\"", "decoder is"},
  };
  const TemporaryFolder folder;
  for (const auto& c : cases) {
    folder.Write("tokenizer.json", Replaced(kGoodJson, c.from, c.to));
    const absl::Status status = LoadStatus(folder.path());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.from << " -> " << c.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
    EXPECT_THAT(std::string(status.message()), HasSubstr(folder.path()));
  }
}

TEST(HostileTokenizerJsonTest, SyntaxDepthAndLinks) {
  const TemporaryFolder folder;
  for (const std::string& bytes :
       {std::string(), std::string("{\"model\": NaN}"), std::string(1 << 20, '['),
        std::string("[1, 2]"), std::string("\xFF\xFE"), std::string(kGoodJson.substr(0, 300))}) {
    folder.Write("tokenizer.json", bytes);
    const absl::Status status = LoadStatus(folder.path());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(folder.path() + "/tokenizer.json"));
  }
  folder.Remove("tokenizer.json");
  std::filesystem::create_symlink(folder.path() + "/nowhere", folder.path() + "/tokenizer.json");
  EXPECT_EQ(LoadStatus(folder.path()).code(), absl::StatusCode::kInvalidArgument);
}

TEST(HostileTokenizerConfigTest, ErrorsNameFileAndField) {
  const struct {
    const char* config;
    const char* message;
  } cases[] = {
      {"[]", "the document is []"},
      {R"({"tokenizer_class": 5})", "tokenizer_class is 5"},
      {R"({"extra_ids": -1})", "extra_ids is -1"},
      {R"({"extra_ids": 1000000000})", "extra_ids is 1000000000"},
      {R"({"added_tokens_decoder": []})", "added_tokens_decoder is []"},
      {R"({"added_tokens_decoder": {"x": {"content": "a"}}})", "added_tokens_decoder.x"},
      {R"({"added_tokens_decoder": {"5": {}}})", "added_tokens_decoder.5.content is absent"},
      {R"({"eos_token": 1})", "eos_token is 1"},
      {R"({"clean_up_tokenization_spaces": "a"})", "clean_up_tokenization_spaces is \"a\""},
  };
  const TemporaryFolder folder;
  folder.Write("spiece.model", ReadBytes("tests/data/text/t5_spiece/spiece.model"));
  for (const auto& c : cases) {
    folder.Write("tokenizer_config.json", c.config);
    const absl::Status status = LoadStatus(folder.path());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.config;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(folder.path() + "/tokenizer_config.json: " + c.message));
  }
}

// Protocol buffer fields, as far as SentencePiece models have them.
std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string Number(int field, uint64_t value) {
  return Varint(field << 3) + Varint(value);
}
std::string Bytes(int field, const std::string& value) {
  return Varint(field << 3 | 2) + Varint(value.size()) + value;
}
std::string Piece(const std::string& text, uint32_t score_bits, int type) {
  std::string score;
  for (int i = 0; i < 4; ++i) score += static_cast<char>(score_bits >> (8 * i));
  return Bytes(1, Bytes(1, text) + Varint(2 << 3 | 5) + score + Number(3, type));
}

TEST(HostileSpieceModelTest, ErrorsNameFileAndField) {
  const std::string unk = Piece("<unk>", 0, 2);
  const std::string good = unk + Piece("</s>", 0, 3);
  const struct {
    std::string bytes;
    absl::StatusCode code;
    const char* message;
  } cases[] = {
      {good, absl::StatusCode::kOk, ""},
      {"", absl::StatusCode::kInvalidArgument, "no pieces"},
      {"hello, world", absl::StatusCode::kInvalidArgument, "damaged"},
      {good + "\x0A\xFF\xFF\xFF\xFF\x0F", absl::StatusCode::kInvalidArgument, "damaged"},
      {good + Piece("a", 0x7FC00000, 1), absl::StatusCode::kInvalidArgument, "pieces[2].score"},
      {good + Piece("a", 0x7F800000, 1), absl::StatusCode::kInvalidArgument, "pieces[2].score"},
      {good + Piece("", 0, 1), absl::StatusCode::kInvalidArgument, "pieces[2].piece is empty"},
      {good + Piece("\xFF", 0, 1), absl::StatusCode::kInvalidArgument, "pieces[2].piece"},
      {good + Piece("a", 0, 7), absl::StatusCode::kInvalidArgument, "pieces[2].type is 7"},
      {good + Piece("a", 0, 6), absl::StatusCode::kInvalidArgument, "pieces[2].piece is \"a\""},
      {good + Piece("</s>", 0, 1), absl::StatusCode::kInvalidArgument, "pieces[2].piece"},
      {good + Piece("u", 0, 2), absl::StatusCode::kInvalidArgument, "2 of the unknown type"},
      {Piece("a", 0, 1), absl::StatusCode::kInvalidArgument, "0 of the unknown type"},
      {unk, absl::StatusCode::kInvalidArgument, "EOS token \"</s>\""},
      {good + Bytes(2, Number(35, 1)), absl::StatusCode::kInvalidArgument, "byte_fallback"},
      {good + Bytes(2, Number(3, 3)), absl::StatusCode::kUnimplemented, "model_type is 3"},
      {good + Bytes(2, Number(3, 2)), absl::StatusCode::kOk, ""},
      {good + Piece("a", 0, 5) + Bytes(2, Number(3, 2)), absl::StatusCode::kUnimplemented,
       "pieces[2].type is 5"},
      {good + Piece(std::string(1025, 'a'), 0, 1) + Bytes(2, Number(3, 2)),
       absl::StatusCode::kInvalidArgument, "pieces[2].piece has 1025 bytes"},
      {good + Bytes(2, Number(24, 1)), absl::StatusCode::kUnimplemented, "whitespace_as_suffix"},
      {good + Bytes(3, Number(5, 0)), absl::StatusCode::kUnimplemented, "escape_whitespaces"},
      {good + Bytes(3, Bytes(2, "xyz")), absl::StatusCode::kInvalidArgument, "charsmap has 3"},
      {good + Bytes(3, "\xFF"), absl::StatusCode::kInvalidArgument, "damaged normalizer_spec"},
  };
  const TemporaryFolder folder;
  for (const auto& c : cases) {
    folder.Write("spiece.model", c.bytes);
    const absl::Status status = LoadStatus(folder.path());
    EXPECT_EQ(status.code(), c.code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
    if (!status.ok()) {
      EXPECT_THAT(std::string(status.message()), HasSubstr(folder.path() + "/spiece.model"));
    }
  }
}

// A real file with bytes changed or cut off: whatever loads must work.
TEST(HostileSpieceModelTest, DamagedFilesNeverCrash) {
  const std::string good = ReadBytes("tests/data/text/t5_spiece/spiece.model");
  const TemporaryFolder folder;
  ModelSpec spec;
  spec.vocab_size = 1000;
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::string bytes = good;
    for (int i = 0; i < 1 + round % 20; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (round % 5 == 0) bytes.resize(random() % bytes.size());
    folder.Write("spiece.model", bytes);
    const auto tokenizer = LoadTokenizer(folder.path(), spec);
    if (!tokenizer.ok()) continue;
    const auto ids = (*tokenizer)->Encode("The nave of the ﬁrst chürch e\u0301 ½ </s> 漢字 😀");
    ASSERT_TRUE(ids.ok());
    (*tokenizer)->Decode(*ids);
  }
}

}  // namespace
}  // namespace transept
