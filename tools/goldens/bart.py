"""Tiny random checkpoints of the families that transformers made after BART."""

import dataclasses
import json

import torch

import variants
from recorder import Recorder


@dataclasses.dataclass
class Variant(variants.Variant):
    without_head: bool = False  # saved from the model without the output projection
    legacy: bool = False  # as transformers 4 wrote it before there was generation_config.json
    ordinary: range = range(4, 97)


MARIAN = {"scale_embedding": True, "activation_function": "swish", "eos_token_id": 0}
# New ones go to the end: the random seed is the place.
VARIANTS = [
    # Other heads and widths in each stack; the decoder shallower.
    Variant(
        "bart",
        "bart",
        config={"d_model": 36, "encoder_attention_heads": 3, "decoder_attention_heads": 4,
                "decoder_layers": 1, "encoder_ffn_dim": 40, "decoder_ffn_dim": 52},
    ),
    # A head and tables of its own in each place; a decoder deeper than the encoder.
    Variant(
        "bart_untied",
        "bart",
        config={"tie_word_embeddings": False, "scale_embedding": True, "encoder_layers": 1,
                "decoder_layers": 3, "decoder_ffn_dim": 27, "activation_function": "gelu_new"},
    ),
    # As bart-base was saved: names without "model.", no bias of the logits.
    Variant("bart_without_head", "bart", without_head=True, dtype=torch.bfloat16),
    Variant("bart_legacy", "bart", legacy=True),
    # The start is a language's token.
    Variant("mbart25", "mbart", config={"scale_embedding": True, "decoder_start_token_id": 92},
            generation={"forced_eos_token_id": None}, ordinary=range(4, 90)),
    Variant(
        "mbart50",
        "mbart",
        config={"encoder_layers": 1, "decoder_start_token_id": 2, "activation_function": "relu",
                "encoder_attention_heads": 8},
        generation={"forced_bos_token_id": 95},
        dtype=torch.float16,
        ordinary=range(4, 90),
    ),
    # An odd width: one sine more than cosines. Padding is the last token and the start.
    Variant(
        "marian",
        "marian",
        config={**MARIAN, "d_model": 33, "encoder_attention_heads": 3,
                "decoder_attention_heads": 11, "pad_token_id": 96, "decoder_start_token_id": 96},
        generation={"bad_words_ids": [[96]]},
        ordinary=range(1, 96),
    ),
    Variant(
        "marian_two_vocabularies",
        "marian",
        config={**MARIAN, "share_encoder_decoder_embeddings": False, "decoder_vocab_size": 83,
                "pad_token_id": 82, "decoder_start_token_id": 82, "decoder_layers": 1},
        generation={"bad_words_ids": [[82], [0], [10], [40]]},  # the end cannot be banned
        ordinary=range(1, 97),
        target=range(1, 82),
    ),
    # As the "tc-big" models: relu, and an end that is not token 0.
    Variant(
        "marian_tc_big",
        "marian",
        config={**MARIAN, "activation_function": "relu", "encoder_layers": 3,
                "decoder_layers": 1, "encoder_attention_heads": 8, "eos_token_id": 95,
                "forced_eos_token_id": 95, "pad_token_id": 96, "decoder_start_token_id": 96},
        ordinary=range(1, 95),
    ),
    Variant("m2m100", "m2m_100", config={"decoder_layers": 1, "decoder_ffn_dim": 60}),
    # An odd width: a last column without a sinusoid.
    Variant(
        "nllb",
        "m2m_100",
        config={"d_model": 35, "encoder_attention_heads": 5, "decoder_attention_heads": 7,
                "encoder_layers": 1, "decoder_layers": 2},
        generation={"max_length": 17},
    ),
    Variant("pegasus", "pegasus", config={"scale_embedding": True, "activation_function": "relu",
                                          "encoder_attention_heads": 2},
            generation={"forced_eos_token_id": None}),
    Variant("plbart", "plbart", config={"d_model": 30, "encoder_attention_heads": 6,
                                        "decoder_attention_heads": 5}),
    # encoder_no_repeat_ngram_size is 3 unless a request says otherwise, as the published models
    # have it.
    Variant("blenderbot", "blenderbot", config={"encoder_layers": 1, "scale_embedding": True},
            generation={"encoder_no_repeat_ngram_size": 3}),
]

# Standard deviations times the square root of the input size, found by trial, as in t5.py.
GAINS = (
    ("q_proj", 2.0),
    ("k_proj", 2.0),
    ("self_attn", 1.0),
    ("encoder_attn", 1.5),
    ("fc", 2.0),
)


def randomize(model, rng):
    tensors = dict(model.named_parameters())
    if hasattr(model, "final_logits_bias"):
        tensors["final_logits_bias"] = model.final_logits_bias
    width = model.config.d_model
    for name, tensor in tensors.items():
        if "embed_positions" in name and not tensor.requires_grad:
            continue  # sinusoids
        values = torch.randn(tensor.shape, generator=rng)
        if "bias" in name:
            values *= 0.1
        elif "layer_norm" in name or "layernorm" in name:
            values = 1 + 0.2 * values
        elif "shared" in name or "embed_tokens" in name or "lm_head" in name:
            values *= 2 * width**-0.5 if model.config.scale_embedding else 1
        elif "embed_positions" not in name:
            gain = next(gain for part, gain in GAINS if part in name)
            values *= gain / tensor.shape[-1] ** 0.5
        tensor.data.copy_(values)
    # Spreads the logits. The signs keep a tied table from giving a token itself as its successor.
    decoder = model.get_decoder()
    last = getattr(decoder, "layer_norm", decoder.layers[-1].final_layer_norm)
    last.weight.data *= (width**0.5 / 2 if model.config.scale_embedding else 2) * torch.randn(
        width, generator=rng
    ).sign()


def build(variant, seed):
    """Saves a random model of this variant to its folder."""
    rng = torch.Generator().manual_seed(seed)
    model = variant.random_model({
        "vocab_size": 97,
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 44,
        "max_position_embeddings": 200,  # as many tokens as the longest source has
    }, randomize, rng)
    folder = variant.new_folder()
    if variant.without_head:
        model.model.save_pretrained(folder)
        model.generation_config.save_pretrained(folder)
    else:
        model.save_pretrained(folder)
    if variant.legacy:
        make_legacy(folder)


def make_legacy(folder):
    """What transformers 4 wrote: the options of generation among the rest, the forced first token
    under its old name. Absent ones are not what the configuration class has for them: no end is
    forced."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for name in ("forced_eos_token_id", "tie_word_embeddings", "dtype"):
        config.pop(name, None)
    config |= {"force_bos_token_to_be_generated": True, "normalize_before": False,
               "add_bias_logits": False, "num_hidden_layers": config["encoder_layers"],
               "torch_dtype": "float32", "length_penalty": 2.0,
               "transformers_version": "4.7.0.dev0"}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    (folder / "generation_config.json").unlink()


def lively(recorder):
    """Whether it is worth while to record this model: see checkpoints.varied."""
    outputs = []
    for length in (2, 3, 7, 16, 17, 33, 64):
        output = recorder.generate(recorder.source(length), [], {"max_new_tokens": 12})
        outputs.append(tuple(output.sequences[0, 1:].tolist()))
    return (
        sum(len(set(tokens)) >= 5 for tokens in outputs) >= 4
        and len(set(outputs)) == len(outputs)
        and len({token for tokens in outputs for token in tokens}) >= 14
    )


def checkpoint(variant, seed):
    """Writes a lively one; returns its recorder."""
    for attempt in range(seed, seed + 50):
        build(variant, attempt)
        recorder = Recorder(variant, attempt)
        if lively(recorder):
            break
    return recorder
