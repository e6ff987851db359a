"""Which checkpoints of tests/data/goldens have which goldens besides cases.json, and the random seed
of each: every family, two vocabularies, other shapes of attention, and scores of half precision as
stored."""

SEEDS = {
    "t5_v1_0": {"beams": 17, "processors": 0, "samples": 17, "scores": 17},
    "t5_v1_1": {"beams": 0, "processors": 1, "samples": 0, "scores": 9, "stops": 0},
    "flan_t5": {"beams": 1, "processors": 2, "samples": 14, "scores": 2},
    "mt5": {"beams": 8, "processors": 3, "samples": 1, "scores": 11},
    "umt5": {"beams": 2, "processors": 4, "samples": 2, "scores": 10},
    "byt5": {"beams": 9, "processors": 6, "samples": 3, "scores": 12, "stops": 1},
    "wide_heads": {"beams": 18, "scores": 19},
    "narrow_heads": {"beams": 19, "scores": 20},
    "few_buckets": {"beams": 20, "scores": 21},
    "deep_decoder": {"beams": 21, "scores": 22},
    "bf16": {"scores": 1},
    "madlad": {"beams": 14, "processors": 31, "samples": 13, "scores": 16},
    "bart": {"beams": 3, "processors": 17, "samples": 4, "scores": 0},
    "mbart25": {"beams": 10, "processors": 21, "samples": 5, "scores": 13},
    "mbart50": {"beams": 4, "processors": 22, "samples": 6, "scores": 6},
    "marian": {"beams": 5, "processors": 23, "samples": 7, "scores": 4},
    "marian_two_vocabularies": {"beams": 16, "processors": 24, "samples": 16, "scores": 5},
    "marian_tc_big": {"beams": 15, "processors": 25, "samples": 15, "scores": 18},
    "m2m100": {"beams": 12, "processors": 26, "samples": 8, "scores": 3},
    "nllb": {"beams": 6, "processors": 27, "samples": 9, "scores": 7},
    "pegasus": {"beams": 7, "processors": 28, "samples": 10, "scores": 8},
    "plbart": {"beams": 11, "processors": 29, "samples": 11, "scores": 14},
    "blenderbot": {"beams": 13, "processors": 30, "samples": 12, "scores": 15},
    "bart_untied": {"beams": 22, "scores": 23},
}
