#include "engine/text/mapped_model.h"

#include <utility>

namespace transept {

class MappedModel::Encoder final : public WordEncoder {
 public:
  explicit Encoder(const MappedModel* model)
      : model_(*model), encoder_(model->model_->NewEncoder()) {}

  void Encode(std::string_view word, std::vector<TokenId>* ids,
              std::vector<std::string_view>* /*unknown*/) override {
    pieces_.clear();
    unknown_.clear();
    encoder_->Encode(word, &pieces_, &unknown_);
    auto text = unknown_.begin();
    for (const TokenId piece : pieces_) {
      const bool known = piece != model_.unknown_piece_;
      ids->push_back(known ? model_.ids_[static_cast<size_t>(piece)]
                           : model_.vocabulary_.IdOf(*text));
      if (!known) ++text;
    }
  }

 private:
  const MappedModel& model_;
  const std::unique_ptr<WordEncoder> encoder_;
  std::vector<TokenId> pieces_;
  std::vector<std::string_view> unknown_;
};

MappedModel::MappedModel(std::unique_ptr<const SubwordModel> model, TokenId unknown_piece,
                         absl::Span<const TokenId> control_pieces, Vocabulary vocabulary)
    : model_(std::move(model)), unknown_piece_(unknown_piece), vocabulary_(std::move(vocabulary)) {
  for (TokenId id = 0; id < model_->size(); ++id) {
    ids_.push_back(vocabulary_.IdOf(model_->piece(id)));
  }
  for (const TokenId control : control_pieces) {
    const auto it = vocabulary_.ids.find(std::string(model_->piece(control)));
    if (it != vocabulary_.ids.end()) controls_.insert(it->second);
  }
}

std::unique_ptr<WordEncoder> MappedModel::NewEncoder() const {
  return std::make_unique<Encoder>(this);
}

}  // namespace transept
