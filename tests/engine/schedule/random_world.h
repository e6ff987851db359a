// What happens to a scheduler, at random.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

#include "engine/schedule/scheduler_options.h"
#include "engine/types/clock.h"
#include "engine/types/request.h"
#include "tests/engine/schedule/fake_model.h"
#include "tests/support/letter_tokenizer.h"

namespace transept {

// One random world. All that happens in it follows from the seed.
struct World {
  explicit World(uint32_t seed) : random(seed) {
    options.max_rows = Pick(1, 9);
    options.max_encoder_tokens = Pick(1, 40);
    options.block_size = Pick(1, 5);
    options.max_target_positions = Chance(2) ? Pick(4, 30) : 0;
    options.priority_interval = std::chrono::milliseconds(Pick(0, 40));
    options.decoder_start_token = kFakeStart;
    options.max_search_tokens = Chance(3) ? Pick(10, 200) : 0;
    options.encode_beside_rows = Chance(2);
    num_blocks = Pick(6, 60);
    keep_idle = Chance(2);
    depth = Pick(0, 1);
    eos_interval = Pick(5, 100);
    max_source = Pick(1, 24);
    num_requests = Pick(1, 40);
    num_sources = Pick(1, 12);
    arrivals_in = Pick(1, 6);
    cancels_in = Chance(2) ? Pick(3, 30) : 0;
    deadlines = Chance(2);
    faults_in = Chance(8) ? 40 : 0;
  }

  int32_t Pick(int32_t low, int32_t high) {
    return low + static_cast<int32_t>(random() % static_cast<uint32_t>(high - low + 1));
  }
  bool Chance(int32_t one_in) { return one_in > 0 && Pick(1, one_in) == 1; }

  Request MakeRequest(TimePoint now) {
    Request request;
    std::mt19937 content(Pick(1, num_sources));
    request.source.resize(1 + content() % max_source);
    for (TokenId& token : request.source) token = 2 + static_cast<TokenId>(content() % 5);
    if (Chance(16)) {
      request.pooling = static_cast<Pooling>(Pick(0, 3));
    } else if (Chance(10)) {
      request.targets.resize(Pick(1, options.max_rows));
      for (auto& target : request.targets) target.assign(Pick(1, 12), Pick(2, 9));
    } else {
      if (Chance(3)) request.target_prefix.assign(Pick(1, 9), Pick(2, 9));
      request.params.max_new_tokens = Pick(1, 40);
      request.params.num_sequences = Chance(3) ? Pick(1, options.max_rows) : 1;
      request.params.eos_tokens = {kFakeEos};
      if (Chance(3)) {
        request.params.num_beams = Pick(1, 6);
        request.params.num_sequences = Pick(1, request.params.num_beams);
        request.params.early_stopping = static_cast<EarlyStopping>(Pick(0, 2));
        request.params.length_penalty = 0.5f * static_cast<float>(Pick(-1, 4));
        const bool stops = request.params.beam_search() && Chance(2);
        request.params.stop_sequences.resize(stops ? Pick(1, 16) : 0);
        for (auto& stop : request.params.stop_sequences) stop = LetterOf(Pick(2, 98));
      }
    }
    request.priority = Chance(3) ? Pick(-2, 2) : 0;
    if (deadlines && Chance(3)) request.deadline = now + std::chrono::milliseconds(Pick(0, 80));
    return request;
  }

  std::mt19937 random;
  SchedulerOptions options;
  int32_t num_blocks, depth, num_requests, num_sources, max_source;
  int32_t arrivals_in, cancels_in, faults_in;  // one in so many steps; 0 = never
  uint64_t eos_interval;
  bool keep_idle, deadlines;
};

}  // namespace transept
