// Pegasus: norms before the blocks, none behind the embedding, sinusoids.
#include "engine/checkpoint/bart_layout.h"
#include "engine/checkpoint/family.h"

namespace transept {
namespace {

ModelSpec Read(ConfigFields& config) {
  ModelSpec spec = ReadBartLayout(config, {.pad = 0, .eos = 1, .start = 0});
  spec.norm_placement = NormPlacement::kBefore;
  spec.embedding_norm = false;
  spec.positions = {.kind = PositionKind::kSinusoidMarian, .offset = 0};
  return spec;
}

}  // namespace

const Family kPegasus = {"pegasus", Read, NameBartTensors, SettleBartTensors};

}  // namespace transept
