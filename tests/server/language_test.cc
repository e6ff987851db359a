// What source_language and target_language do to a request, for every way in which models take
// them.
#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/text/translation_tokenizer.h"
#include "tests/server/server_fixture.h"

namespace transept::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr TokenId kEnglish = 4, kFrench = 5, kGerman = 6;
constexpr TokenId kA = 'a' + kFirstByte, kB = 'b' + kFirstByte;

// FakeTokenizer's bytes, and nothing added to them.
class Bytes final : public Tokenizer {
 public:
  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const override {
    return FakeTokenizer::Ids(text);
  }
  absl::StatusOr<std::vector<TokenId>> EncodeInside(std::string_view text) const override {
    return FakeTokenizer::Ids(text);
  }
  std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const override {
    return fake_.NewDetokenizer();
  }
  std::string Piece(TokenId id) const override { return id < kFirstByte ? "" : fake_.Piece(id); }
  int32_t vocab_size() const override { return kVocabSize; }

 private:
  const FakeTokenizer fake_;
};

class LanguageTest : public ServerTest {
 protected:
  void StartWith(TargetMark mark, const std::string& default_target = "",
                 LanguagePlace place = LanguagePlace::kBeforeText) {
    TranslationTokenizer::Options options;
    options.source = std::make_unique<Bytes>();
    options.eos = kEos;
    Languages& languages = options.languages.emplace();
    languages.tokens = {{"eng", kEnglish}, {"fra", kFrench}, {"deu", kGerman}};
    languages.mark_source = mark != TargetMark::kSource;
    languages.target_mark = mark;
    languages.place = place;
    if (languages.mark_source) languages.source = "eng";
    languages.target = default_target;
    Start(std::make_shared<TranslationTokenizer>(std::move(options)));
  }

  // The request as the engine gets it.
  Request Submitted(const v1::GenerateRequest& request) {
    CallInBackground(request);
    const RequestId id = engine_->Next();
    Request got = engine_->RequestOf(id);
    engine_->Finish(id, MakeResult({FakeTokenizer::Ids("x")}));
    EXPECT_TRUE(Join().ok());
    return got;
  }

  // The request to score "b" and token kA, as the engine gets it.
  Request Scored(const std::string& target_language) {
    engine_->AnswerByItself();
    v1::ScoreRequest request;
    request.mutable_source()->set_text("a");
    request.set_target_language(target_language);
    request.add_targets()->set_text("b");
    request.add_targets()->mutable_tokens()->add_ids(kA);
    v1::ScoreResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->Score(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return engine_->RequestOf(engine_->Next());
  }

  static v1::GenerateRequest Translation(const std::string& source, const std::string& target) {
    v1::GenerateRequest request = TextRequest("a");
    request.set_source_language(source);
    request.set_target_language(target);
    return request;
  }

  grpc::Status Refused(const v1::GenerateRequest& request) {
    v1::GenerateResponse response;
    return Generate(request, &response);
  }
};

TEST_F(LanguageTest, TheFirstTokenIsForced) {
  StartWith(TargetMark::kFirstToken);
  const Request got = Submitted(Translation("fra", "deu"));
  EXPECT_THAT(got.source, ElementsAre(kFrench, kA, kEos));
  EXPECT_EQ(got.params.forced_bos_token, kGerman);
  EXPECT_EQ(got.decoder_start, std::nullopt);
}

TEST_F(LanguageTest, TheFoldersLanguagesHoldWhereNoneIsNamed) {
  StartWith(TargetMark::kFirstToken, "fra");
  const Request got = Submitted(Translation("", ""));
  EXPECT_THAT(got.source, ElementsAre(kEnglish, kA, kEos));
  EXPECT_EQ(got.params.forced_bos_token, kFrench);
}

TEST_F(LanguageTest, TokenIdsAreLeftAlone) {
  StartWith(TargetMark::kFirstToken, "fra");
  const Request got = Submitted(TokensRequest({kA}));
  EXPECT_THAT(got.source, ElementsAre(kA));
  EXPECT_EQ(got.params.forced_bos_token, std::nullopt);
}

TEST_F(LanguageTest, APrefixOfTextFollowsTheFirstToken) {
  StartWith(TargetMark::kFirstToken);
  v1::GenerateRequest request = Translation("", "deu");
  request.mutable_target_prefix()->set_text("b");
  EXPECT_THAT(Submitted(request).target_prefix, ElementsAre(kGerman, kB));
}

TEST_F(LanguageTest, TheDecoderStartsWithIt) {
  StartWith(TargetMark::kDecoderStart);
  v1::GenerateRequest request = Translation("", "deu");
  request.mutable_target_prefix()->set_text("b");
  const Request got = Submitted(request);
  EXPECT_EQ(got.decoder_start, kGerman);
  EXPECT_THAT(got.target_prefix, ElementsAre(kB));
  EXPECT_EQ(got.params.forced_bos_token, std::nullopt);
}

TEST_F(LanguageTest, LabelsBeginWithIt) {
  StartWith(TargetMark::kFirstToken, "fra");
  EXPECT_THAT(Scored("deu").targets, ElementsAre(ElementsAre(kGerman, kB, kEos), ElementsAre(kA)));
  const Request got = Scored("");
  EXPECT_THAT(got.targets, ElementsAre(ElementsAre(kFrench, kB, kEos), ElementsAre(kA)));
  EXPECT_EQ(got.decoder_start, std::nullopt);
}

TEST_F(LanguageTest, LabelsEndInItWhereSourcesDo) {
  StartWith(TargetMark::kFirstToken, "", LanguagePlace::kAfterEos);
  Request got = Scored("deu");
  EXPECT_THAT(got.source, ElementsAre(kA, kEos, kEnglish));
  EXPECT_THAT(got.targets, ElementsAre(ElementsAre(kB, kEos, kGerman), ElementsAre(kA)));
  EXPECT_EQ(got.decoder_start, std::nullopt);
  got = Scored("");
  EXPECT_THAT(got.targets, ElementsAre(ElementsAre(kB, kEos), ElementsAre(kA)));
}

TEST_F(LanguageTest, TheLastLabelIsTheStartOfADecoderThatStartsWithIt) {
  StartWith(TargetMark::kDecoderStart, "", LanguagePlace::kAfterEos);
  Request got = Scored("deu");
  EXPECT_THAT(got.targets, ElementsAre(ElementsAre(kB, kEos, kGerman), ElementsAre(kA)));
  EXPECT_EQ(got.decoder_start, kGerman);
  got = Scored("");
  EXPECT_THAT(got.targets, ElementsAre(ElementsAre(kB, kEos), ElementsAre(kA)));
  EXPECT_EQ(got.decoder_start, kEos);
}

TEST_F(LanguageTest, TheSourceSaysIt) {
  StartWith(TargetMark::kSource);
  const Request got = Submitted(Translation("", "deu"));
  EXPECT_THAT(got.source, ElementsAre(kGerman, kA, kEos));
  EXPECT_EQ(FieldOf(Refused(Translation("eng", ""))), "source_language");
}

TEST_F(LanguageTest, UnknownLanguagesAreRefusedWithNearNames) {
  StartWith(TargetMark::kFirstToken);
  const grpc::Status target = Refused(Translation("", "dea"));
  EXPECT_EQ(FieldOf(target), "target_language");
  EXPECT_THAT(target.error_message(), HasSubstr("\"dea\""));
  EXPECT_THAT(target.error_message(), HasSubstr("near it are \"deu\""));
  EXPECT_EQ(FieldOf(Refused(Translation("English", ""))), "source_language");
}

TEST_F(LanguageTest, LanguagesWithoutEffectAreRefused) {
  StartWith(TargetMark::kFirstToken);
  v1::GenerateRequest request = TokensRequest({kA});
  request.set_source_language("eng");
  EXPECT_EQ(FieldOf(Refused(request)), "source_language");

  request = Translation("", "deu");
  request.mutable_target_prefix()->mutable_tokens()->add_ids(kB);
  EXPECT_EQ(FieldOf(Refused(request)), "target_language");

  request = Translation("", "deu");
  request.mutable_options()->set_forced_bos_token_id(kFrench);
  EXPECT_EQ(FieldOf(Refused(request)), "options.forced_bos_token_id");
}

TEST_F(LanguageTest, TokenizeMarksTheSource) {
  StartWith(TargetMark::kFirstToken);
  v1::TokenizeRequest request;
  request.set_text("a");
  request.set_source_language("fra");
  v1::TokenizeResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub_->Tokenize(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(response.tokens().ids(), ElementsAre(kFrench, kA, kEos));
}

TEST_F(LanguageTest, TheModelListsThem) {
  StartWith(TargetMark::kFirstToken);
  v1::GetModelResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->GetModel(&context, {}, &response).ok());
  EXPECT_THAT(response.model().languages(), ElementsAre("deu", "eng", "fra"));
}

}  // namespace
}  // namespace transept::server
