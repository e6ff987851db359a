"""Tiny random checkpoints of every T5 variant as they lie on disk."""

import dataclasses
import json

import torch
from safetensors.torch import load_file, save_file

import variants
from recorder import Recorder


@dataclasses.dataclass
class Variant(variants.Variant):
    family: str = "t5"
    own_head: bool = False  # an lm_head.weight of its own in the file
    shards: str | None = None  # max_shard_size
    legacy: dict | None = None  # as transformers 4 wrote it, with these config.json fields


GATED = {"feed_forward_proj": "gated-gelu"}
# New ones go to the end: the random seed is the place.
VARIANTS = [
    Variant("t5_v1_0", config={"feed_forward_proj": "relu"}),
    Variant("t5_v1_1", config={**GATED, "tie_word_embeddings": False}, own_head=True),
    # The checkpoint's own defaults take part in generation.
    Variant(
        "flan_t5",
        config={**GATED, "tie_word_embeddings": False, "d_kv": 16, "num_heads": 3},
        own_head=True,
        generation={"max_length": 13, "repetition_penalty": 1.3, "no_repeat_ngram_size": 3},
    ),
    Variant("mt5", "mt5", config={"vocab_size": 130}, own_head=True),
    Variant("umt5", "umt5", config={"num_layers": 3, "num_decoder_layers": 2, "d_model": 28}, own_head=True),
    Variant("umt5_tied", "umt5"),
    # Deeper encoder, the byte vocabulary.
    Variant(
        "byt5",
        config={**GATED, "vocab_size": 384, "num_layers": 3, "num_decoder_layers": 1, "d_model": 24,
                "tie_word_embeddings": False},
        own_head=True,
    ),
    # heads * d_kv != d_model, and head sizes that are no power of two.
    Variant("wide_heads", config={"d_model": 24, "num_heads": 5, "d_kv": 12, **GATED}),
    Variant("narrow_heads", config={"d_model": 40, "num_heads": 2, "d_kv": 20}),
    # Buckets fill up early; another epsilon.
    Variant(
        "few_buckets",
        config={
            "relative_attention_num_buckets": 16,
            "relative_attention_max_distance": 20,
            "layer_norm_epsilon": 1e-4,
            "feed_forward_proj": "gelu",
        },
    ),
    Variant(
        "deep_decoder",
        config={"num_layers": 1, "num_decoder_layers": 4, "feed_forward_proj": "gated-silu"},
    ),
    Variant("bf16", config=GATED, own_head=True, dtype=torch.bfloat16),
    Variant("fp16", config={"feed_forward_proj": "silu"}, dtype=torch.float16),
    Variant("sharded", config={**GATED, "num_heads": 3}, own_head=True, shards="40KB"),
    Variant("untied_without_head", config={"tie_word_embeddings": False}),
    # transformers 4 left true flags out, wrote each copy of the embedding, and before 4.26 had the
    # generation options in config.json.
    Variant("transformers4_tied", legacy={"transformers_version": "4.12.0.dev0"}),
    Variant(
        "transformers4_untied",
        config={**GATED, "tie_word_embeddings": False},
        own_head=True,
        legacy={"tie_word_embeddings": False, "transformers_version": "4.23.1"},
    ),
    # Special tokens with other ids than T5's: outputs start with the unknown token.
    Variant(
        "madlad",
        config={**GATED, "tie_word_embeddings": False, "num_decoder_layers": 1, "d_model": 20,
                "pad_token_id": 1, "eos_token_id": 2},
        own_head=True,
        dtype=torch.bfloat16,
    ),
]


# Standard deviations times the square root of the input size, found by trial: outputs shall vary
# with the source and from token to token, which plain initialisation does not give.
GAINS = (
    (".q.", 1.5),
    (".k.", 1.5),
    ("EncDecAttention", 1.0),
    ("SelfAttention", 2.0),
    ("DenseReluDense", 3.0),
)


def randomize(model, rng):
    for name, tensor in model.named_parameters():
        values = torch.randn(tensor.shape, generator=rng)
        if "norm" in name:
            values = 1 + 0.2 * values
            if name == "decoder.final_layer_norm.weight":
                values *= 4  # spreads the logits
        elif "relative_attention_bias" in name:
            values *= 1.5
        elif "shared" in name or "lm_head" in name:
            values *= 0.5
        else:
            gain = next(gain for part, gain in GAINS if part in name)
            values *= gain / tensor.shape[-1] ** 0.5
        tensor.data.copy_(values)


def build(variant, seed):
    """Saves a random model of this variant to its folder."""
    rng = torch.Generator().manual_seed(seed)
    model = variant.random_model({
        "vocab_size": 97,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 40,
        "num_layers": 2,
        "num_heads": 4,
        "decoder_start_token_id": 0,
    }, randomize, rng)
    folder = variant.new_folder()
    shard = {"max_shard_size": variant.shards} if variant.shards else {}
    head = 0.5 * torch.randn(model.shared.weight.shape, generator=rng)
    if variant.own_head:
        state = {name: t for name, t in model.state_dict().items() if "embed_tokens" not in name}
        state["lm_head.weight"] = head.to(variant.dtype)
        model.save_pretrained(folder, state_dict=state, **shard)
    else:
        model.save_pretrained(folder, **shard)
    if variant.legacy is not None:
        make_legacy(variant, folder)


def make_legacy(variant, folder):
    """Turns what transformers 5 saved into what 4 did."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for name in ("tie_word_embeddings", "scale_decoder_outputs", "dtype", "is_decoder",
                 "classifier_dropout", "dense_act_fn", "is_gated_act"):
        config.pop(name, None)
    config |= {"decoder_start_token_id": 0, "output_past": True, "n_positions": 512,
               "torch_dtype": "float32", **variant.legacy}
    config["task_specific_params"] = {
        "summarization": {"early_stopping": True, "max_length": 200, "num_beams": 4}
    }
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (folder / "generation_config.json").unlink()
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    for copy_of_embedding in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):
        tensors[copy_of_embedding] = tensors["shared.weight"].clone()
    if not variant.own_head:
        tensors["lm_head.weight"] = tensors["shared.weight"].clone()
    save_file(tensors, weights, metadata={"format": "pt"})


def checkpoint(variant, seed):
    """Writes it; returns its recorder."""
    build(variant, seed)
    return Recorder(variant, seed)
