// Blenderbot: norms before the blocks, none behind the embedding, positions from row 0 on.
// Blenderbot-small is another model: its decoder adds positions behind the embedding's norm.
#include "engine/checkpoint/bart_layout.h"
#include "engine/checkpoint/family.h"

namespace transept {
namespace {

ModelSpec Read(ConfigFields& config) {
  ModelSpec spec = ReadBartLayout(config, {.vocab_size = 8008,
                                           .d_model = 2560,
                                           .encoder_layers = 2,
                                           .decoder_layers = 24,
                                           .heads = 32,
                                           .ffn = 10240,
                                           .max_positions = 128,
                                           .pad = 0,
                                           .start = 1});
  spec.norm_placement = NormPlacement::kBefore;
  spec.embedding_norm = false;
  spec.positions.offset = 0;
  return spec;
}

}  // namespace

const Family kBlenderbot = {"blenderbot", Read, NameBartTensors, SettleBartTensors};

}  // namespace transept
