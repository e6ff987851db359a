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

// Such as BART's.
constexpr std::string_view kGoodBpeJson = R"({
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
  "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<s>", 0]},
  "decoder": {"type": "ByteLevel"},
  "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
    "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
    "vocab": {"<s>": 0, "</s>": 1, "a": 2, "b": 3, "ab": 4, "abb": 6},
    "merges": ["a b", ["ab", "b"]]}})";

TEST(HostileTokenizerJsonTest, ErrorsOfBpeNameFileAndField) {
  const struct {
    const char* from;  // in the good file
    const char* to;
    const char* message;
  } cases[] = {
      {"\"a\": 2", "\"a\": -2", "model.vocab.a is -2"},
      {"\"a\": 2", "\"a\": 4194304", "model.vocab.a is 4194304: must lie in [0, 4194303]"},
      {"\"a\": 2", "\"a\": 2.5", "model.vocab.a is 2.5"},
      {"\"a\": 2", "\"a\": 3", "model.vocab.b is 3: \"a\" has that id too"},
      {"\"a\": 2", "\"\": 2", "its name must not be empty"},
      {"\"a\": 2", "\"a\": 2, \"a\": 5", "is given twice"},
      {"\"abb\": 6", "\"abb\": 6000", "has 6001 tokens"},
      {"\"vocab\": {", "\"vocab\": {}, \"x\": {", "model.vocab is {}"},
      {"\"vocab\": {", "\"vocab\": [], \"x\": {", "model.vocab is []"},
      {"\"merges\": [", "\"merges\": {}, \"x\": [", "model.merges is {}"},
      {"\"merges\": [", "\"x\": [", "model.merges is absent"},
      {"\"a b\"", "\"ab\"", "model.merges[0] is \"ab\": must be two pieces"},
      {"\"a b\"", "\"a b b\"", "model.merges[0] is \"a b b\""},
      {"\"a b\"", "\"a c\"", "model.merges[0] is \"a c\": \"c\" must be in the vocabulary"},
      {"\"a b\"", "\"b a\"", "\"ba\" must be in the vocabulary"},
      {"\"a b\"", "\" \"", "\"\" must be in the vocabulary"},
      {"\"a b\"", "7", "model.merges[0] is 7"},
      {"[\"ab\", \"b\"]", "[\"ab\"]", "model.merges[1][1] is absent"},
      {"[\"ab\", \"b\"]", "[\"ab\", 5]", "model.merges[1][1] is 5"},
      {"\"dropout\": null", "\"dropout\": 0.1", "model.dropout is 0.1"},
      {"\"unk_token\": null", "\"unk_token\": \"u\"", "model.unk_token is \"u\""},
      {"\"unk_token\": null", "\"unk_token\": 5", "model.unk_token is 5"},
      {"_prefix\": \"\"", "_prefix\": \"##\"", "model.continuing_subword_prefix is \"##\""},
      {"_suffix\": null", "_suffix\": \"</w>\"", "model.end_of_word_suffix is \"</w>\""},
      {"\"fuse_unk\": false", "\"fuse_unk\": 0", "model.fuse_unk is 0"},
      {"\"ignore_merges\": false", "\"ignore_merges\": \"\"", "model.ignore_merges is \"\""},
      {"\"add_prefix_space\": false", "\"add_prefix_space\": 1", "pre_tokenizer.add_prefix_space"},
      {"\"use_regex\": true", "\"use_regex\": 1", "pre_tokenizer.use_regex is 1"},
      {"{\"type\": \"ByteLevel\"}", R"({"type": "Sequence", "decoders": [{"type": "ByteLevel"}]})",
       "decoder.decoders[0].type is \"ByteLevel\""},
      {"[\"</s>\", 1]", "[\"</s>\"]", "post_processor.sep[1] is absent"},
      {"[\"<s>\", 0]", "[\"<s>\", -1]", "post_processor.cls[1] is -1"},
  };
  const TemporaryFolder folder;
  folder.Write("tokenizer.json", kGoodBpeJson);
  EXPECT_TRUE(LoadStatus(folder.path()).ok()) << LoadStatus(folder.path());
  for (const auto& c : cases) {
    folder.Write("tokenizer.json", Replaced(kGoodBpeJson, c.from, c.to));
    const absl::Status status = LoadStatus(folder.path());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.from << " -> " << c.to;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
    EXPECT_THAT(std::string(status.message()), HasSubstr(folder.path()));
  }
}

TEST(HostileByteLevelFilesTest, ErrorsNameFileAndFieldOrLine) {
  const std::string vocab = R"({"<s>": 0, "</s>": 1, "a": 2, "b": 3, "ab": 4})";
  const struct {
    std::string file;
    std::string bytes;
    const char* message;
  } cases[] = {
      {"merges.txt", "#version: 0.2\na b\n\n", "merges.txt: line 3 is \"\": must be two pieces"},
      {"merges.txt", "#version: 0.2\nab\n", "merges.txt: line 2 is \"ab\": must be two pieces"},
      {"merges.txt", "a b 1\n", "merges.txt: line 1 is \"a b 1\""},
      {"merges.txt", "a b\nb c", "merges.txt: line 2 is \"b c\": \"c\" must be in the vocab"},
      {"merges.txt", "a \xFF\n", "merges.txt: line 1"},
      {"merges.txt", std::string("a b\0\n", 5), "merges.txt: line 1"},
      {"vocab.json", "", "vocab.json: not valid JSON"},
      {"vocab.json", "[]", "vocab.json: the document is []"},
      {"vocab.json", "{}", "vocab.json: the document is {}: must not be empty"},
      {"vocab.json", R"({"a": 1e9})", "vocab.json: a is 1000000000"},
      {"vocab.json", R"({"a": 0, "b": 0})", "vocab.json: b is 0"},
      {"tokenizer_config.json", R"({"add_prefix_space": 1})", "add_prefix_space is 1"},
      {"tokenizer_config.json", R"({"add_eos_token": 1})", "add_eos_token is 1"},
      {"tokenizer_config.json", R"({"mask_token": 1})", "mask_token is 1"},
      {"tokenizer_config.json", R"({"mask_token": ""})", "mask_token is \"\""},
      {"tokenizer_config.json", R"({"mask_token": {"lstrip": true}})", "mask_token.content is abs"},
      {"tokenizer_config.json", R"({"extra_special_tokens": [null]})", "extra_special_tokens[0]"},
      {"tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "a"}}})", "r.x"},
      {"special_tokens_map.json", R"({"bos_token": []})",
       "special_tokens_map.json: bos_token is []"},
      {"added_tokens.json", R"({"[x]": "1"})", "added_tokens.json: [x] is \"1\""},
      {"added_tokens.json", R"({"": 1})", "its name must not be empty"},
  };
  const TemporaryFolder folder;
  ModelSpec spec;
  spec.family = "blenderbot";
  spec.vocab_size = 1000;
  const auto restore = [&] {
    folder.Write("vocab.json", vocab);
    folder.Write("merges.txt", "#version: 0.2\r\na b\r\n");
    for (const char* name :
         {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
      folder.Write(name, "{}");
    }
  };
  restore();
  EXPECT_TRUE(LoadTokenizer(folder.path(), spec).ok())
      << LoadTokenizer(folder.path(), spec).status();
  for (const auto& c : cases) {
    folder.Write(c.file, c.bytes);
    const absl::Status status = LoadTokenizer(folder.path(), spec).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.bytes;
    EXPECT_THAT(std::string(status.message()), HasSubstr(folder.path() + "/" + c.file));
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
    restore();
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
