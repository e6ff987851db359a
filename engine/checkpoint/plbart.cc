// PLBart: BART with scaled embeddings.
#include "engine/checkpoint/bart_layout.h"
#include "engine/checkpoint/family.h"

namespace transept {
namespace {

ModelSpec Read(ConfigFields& config) {
  return ReadBartLayout(config, {.vocab_size = 50005,
                                 .d_model = 768,
                                 .encoder_layers = 6,
                                 .decoder_layers = 6,
                                 .heads = 12,
                                 .ffn = 3072,
                                 .scale_embedding = true});
}

}  // namespace

const Family kPlbart = {"plbart", Read, NameBartTensors, SettleBartTensors};

}  // namespace transept
