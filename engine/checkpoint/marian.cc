// Marian, which is OPUS-MT: norms behind the blocks, none behind the embedding, sinusoids, perhaps
// separate vocabularies.
#include "engine/checkpoint/bart_layout.h"
#include "engine/checkpoint/family.h"
#include "engine/checkpoint/family_config.h"

namespace transept {
namespace {

ModelSpec Read(ConfigFields& config) {
  ModelSpec spec =
      ReadBartLayout(config, {.vocab_size = 58101, .pad = 58100, .eos = 0, .start = 58100});
  spec.embedding_norm = false;
  spec.positions = {.kind = PositionKind::kSinusoidMarian, .offset = 0};
  if (!config.Bool("share_encoder_decoder_embeddings").value_or(true)) {
    spec.encoder_vocab_size = spec.vocab_size;
    spec.vocab_size =
        config.Int("decoder_vocab_size", kVocabularyRange).value_or(spec.encoder_vocab_size);
    CheckSpecialTokens(config, "decoder_vocab_size", spec);
  }
  return spec;
}

}  // namespace

const Family kMarian = {"marian", Read, NameBartTensors, SettleBartTensors};

}  // namespace transept
