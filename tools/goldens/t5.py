"""Writes tests/data/goldens/<variant>/: a tiny random checkpoint of every T5 variant as it lies on
disk, and cases.json with what transformers makes of it (fp32, CPU). bart.py does the
same for the families after BART.

    python3 -m pip install -r tools/goldens/requirements.txt
    python3 tools/goldens/t5.py [VARIANT...]

cases.json holds
  encodings    for a source: rows of the encoder's output (all of them for short sources), and mean
               and root mean square over the whole of it
  steps        for a source: the raw logits of the first decoder steps
  rounding     for a half-precision type: how far log-probabilities are off when transformers
               computes those steps in it, fed the same tokens. The median over the steps of a
               step's root mean square, and the largest of all: where attention is nearly
               undecided, rounding decides, so few steps make most of the error
  generations  for source, target prefix and options: the generated tokens (the final EOS left out),
               why they end, the sum of their log-probabilities, and the smallest margin between
               the best and the second best score of a step. Sources are drawn again until the
               margin is far above rounding noise, so that tokens can be compared exactly, and
               the output is more than one token over and over if possible.
"""

import dataclasses
import json
import pathlib
import random
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file

GOLDENS = pathlib.Path(__file__).parents[2] / "tests/data/goldens"
MIN_MARGIN = 5e-4
STEPS = 12
HALF_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
CLASSES = {
    "t5": (transformers.T5Config, transformers.T5ForConditionalGeneration),
    "mt5": (transformers.MT5Config, transformers.MT5ForConditionalGeneration),
    "umt5": (transformers.UMT5Config, transformers.UMT5ForConditionalGeneration),
}


@dataclasses.dataclass
class Variant:
    name: str
    family: str = "t5"
    config: dict = dataclasses.field(default_factory=dict)
    own_head: bool = False  # an lm_head.weight of its own in the file
    dtype: torch.dtype = torch.float32  # of the stored tensors
    shards: str | None = None  # max_shard_size
    legacy: dict | None = None  # as transformers 4 wrote it, with these config.json fields
    generation: dict = dataclasses.field(default_factory=dict)  # more for generation_config.json


GATED = {"feed_forward_proj": "gated-gelu"}
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


def build(variant, folder, seed):
    """Saves a random model of this variant to `folder`."""
    config_class, model_class = CLASSES[variant.family]
    config = config_class(
        **{
            "vocab_size": 97,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 40,
            "num_layers": 2,
            "num_heads": 4,
            "decoder_start_token_id": 0,
            **variant.config,
        }
    )
    model = model_class(config).eval()
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        randomize(model, rng)
    for name, value in variant.generation.items():
        setattr(model.generation_config, name, value)
    model.to(variant.dtype)
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


def rounded(tensor):
    """Six significant digits."""
    return [float(f"{value:.6g}") for value in tensor.reshape(-1).tolist()]


def load(model_class, folder, dtype):
    # Eager: with the default (sdpa) 5.17's UMT5 leaves out the causal mask when it is fed more than
    # one decoder token.
    return model_class.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


@torch.no_grad()
def rounding(recorder, folder, name, steps):
    """The error that transformers makes by computing `steps` in the half-precision type `name`."""
    model = load(recorder.model_class, folder, HALF_TYPES[name])
    errors = []
    for case in steps:
        logits = model(
            torch.tensor([case["source"]]),
            decoder_input_ids=torch.tensor([[recorder.start] + case["tokens"][:-1]]),
            use_cache=False,
        ).logits[0]
        expected = torch.tensor(case["logits"])
        errors.append(logits.float().log_softmax(-1) - expected.log_softmax(-1))
    error = torch.cat(errors)
    return {
        "dtype": name,
        "median": float(f"{error.square().mean(-1).sqrt().quantile(0.5):.3g}"),
        "largest": float(f"{error.abs().max():.3g}"),
    }


class Recorder:
    """Runs one checkpoint, loaded from its folder as anyone would. `source_range` and
    `target_range` are the tokens without a meaning of their own."""

    def __init__(self, model_class, folder, seed, source_range=None, target_range=None):
        self.model_class = model_class
        self.model = load(model_class, folder, torch.float32)
        # transformers refuses its cache when the decoder is deeper than the encoder.
        layers = [len(stack.layers if hasattr(stack, "layers") else stack.block)
                  for stack in (self.model.get_encoder(), self.model.get_decoder())]
        self.use_cache = layers[1] <= layers[0]
        self.rng = random.Random(seed)
        generation = self.model.generation_config
        self.start = generation.decoder_start_token_id
        if self.start is None:
            self.start = generation.bos_token_id
        self.eos = self.model.config.eos_token_id
        self.source_range = source_range or range(2, self.model.config.vocab_size)
        self.target_range = target_range or self.source_range

    def tokens(self, choice, length):
        return [self.rng.randrange(choice.start, choice.stop) for _ in range(length)]

    def source(self, length):
        tokens = self.tokens(self.source_range, length)
        if length > 1:
            tokens[-1] = self.eos
        return tokens

    @torch.no_grad()
    def encoding(self, length):
        source = self.source(length)
        output = self.model.get_encoder()(torch.tensor([source])).last_hidden_state[0]
        rows = range(length) if length <= 3 else (0, 1, length // 2, length - 1)
        return {
            "source": source,
            "rows": {str(row): rounded(output[row]) for row in rows},
            "mean": rounded(output.mean())[0],
            "rms": rounded(output.square().mean().sqrt())[0],
        }

    @torch.no_grad()
    def generate(self, source, prefix, options):
        options = dict(options)
        if "eos_token_ids" in options:
            options["eos_token_id"] = options.pop("eos_token_ids")
        return self.model.generate(
            torch.tensor([source]),
            attention_mask=torch.ones(1, len(source), dtype=torch.long),
            decoder_input_ids=torch.tensor([[self.start] + prefix]),
            do_sample=False,
            num_beams=1,
            use_cache=self.use_cache,
            return_dict_in_generate=True,
            output_scores=True,
            output_logits=True,
            **options,
        )

    def steps(self, length):
        source = self.source(length)
        output = self.generate(source, [], {"max_new_tokens": STEPS, "min_new_tokens": STEPS,
                                            "repetition_penalty": 1.0, "no_repeat_ngram_size": 0})
        return {
            "source": source,
            "tokens": output.sequences[0, 1:].tolist(),
            "logits": [rounded(step[0]) for step in output.logits],
        }

    def outcome(self, source, prefix, options):
        """The case that these make."""
        output = self.generate(source, prefix, options)
        scores = torch.stack(output.scores)[:, 0]
        tokens = output.sequences[0, 1 + len(prefix):]
        best = scores.topk(2).values
        # JSON has no infinity, which the margin of a forced token is.
        margin = min(float((best[:, 0] - best[:, 1]).min()), 1e9)
        log_probs = scores.log_softmax(-1).gather(1, tokens[:, None])
        eos = options.get("eos_token_ids", [self.eos])
        ended = int(tokens[-1]) in eos
        return {
            "source": source,
            "prefix": prefix,
            "options": options,
            "tokens": tokens.tolist()[: -1 if ended else None],
            "finish": "eos" if ended else "length",
            "score": float(f"{log_probs.sum():.6g}"),
            "margin": float(f"{margin:.3g}"),
        }

    def generation(self, length, options, prefix_length=0):
        for attempt in range(200):
            source = self.source(length)
            prefix = self.tokens(self.target_range, prefix_length + 1)[:-1]
            case = self.outcome(source, prefix, options)
            tokens = case["tokens"] + [self.eos] * (case["finish"] == "eos")
            varied = len(set(tokens)) >= min(len(tokens), 5)
            if case["margin"] >= MIN_MARGIN and (varied or attempt >= 100):
                return case
        raise RuntimeError(f"no good source of {length} tokens for {options}")


def generations(recorder):
    """Greedy at every length, then each option, alone and in company, with and without prefix."""
    make = recorder.generation
    eos = recorder.eos
    some = lambda count: recorder.rng.sample(recorder.target_range, count)
    cases = [make(length, {"max_new_tokens": 24}) for length in (1, 2, 3, 7, 16, 17, 33, 64, 200)]
    # Past the largest relative distance, and across many cache blocks.
    cases.append(make(129, {"max_new_tokens": 150, "min_new_tokens": 150}))
    cases.append(make(5, {}))
    cases.append(make(5, {"max_length": 9}))
    cases.append(make(31, {"max_length": 30, "min_length": 20}, prefix_length=4))
    cases.append(make(8, {"max_new_tokens": 1}))
    cases.append(make(11, {"max_new_tokens": 20}, prefix_length=1))
    cases.append(make(40, {"max_new_tokens": 20}, prefix_length=17))
    cases.append(make(12, {"max_new_tokens": 30, "min_new_tokens": 30}))
    cases.append(make(12, {"max_new_tokens": 24, "repetition_penalty": 1.5}))
    cases.append(make(12, {"max_new_tokens": 24, "repetition_penalty": 0.8}, prefix_length=3))
    cases.append(make(20, {"max_new_tokens": 24, "no_repeat_ngram_size": 1}))
    cases.append(make(20, {"max_new_tokens": 24, "no_repeat_ngram_size": 2}, prefix_length=2))
    cases.append(make(9, {"max_new_tokens": 24, "suppress_tokens": some(40)}))
    cases.append(make(9, {"max_new_tokens": 24, "begin_suppress_tokens": some(60)}))
    cases.append(make(9, {"max_new_tokens": 24, "begin_suppress_tokens": some(60)}, 2))
    cases.append(make(9, {"max_new_tokens": 24, "eos_token_ids": [eos] + some(9)}))
    cases.append(make(6, {"max_new_tokens": 10, "forced_bos_token_id": some(1)[0]}))
    cases.append(make(6, {"max_new_tokens": 10, "forced_bos_token_id": some(1)[0]}, 2))
    cases.append(make(6, {"max_new_tokens": 6, "forced_eos_token_id": eos}))
    picked = some(13)  # transformers refuses to force a token that is suppressed
    cases.append(
        make(
            25,
            {
                "max_new_tokens": 40,
                "min_new_tokens": 6,
                "repetition_penalty": 1.2,
                "no_repeat_ngram_size": 3,
                "suppress_tokens": picked[:5],
                "begin_suppress_tokens": picked[5:10],
                "forced_bos_token_id": picked[10],
                "forced_eos_token_id": eos,
                "eos_token_ids": [eos] + picked[11:],
            },
        )
    )
    return cases


def varied(cases):
    """Whether outputs depend on the source and differ: the goldens would prove little otherwise."""
    greedy = [tuple(case["tokens"]) for case in cases["generations"][:9]]
    return len(set(greedy)) >= 8 and len({token for tokens in greedy for token in tokens}) >= 18


def compact(cases):
    """One line a case."""
    groups = []
    for group, entries in cases.items():
        lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
        groups.append(f'"{group}":[\n{lines}\n]')
    return "{" + ",\n".join(groups) + "}\n"


def make(variant, seed):
    """Writes the variant's folder; returns its cases."""
    folder = new_folder(variant)
    build(variant, folder, seed)
    return record(Recorder(CLASSES[variant.family][1], folder, seed), folder)


def new_folder(variant):
    folder = GOLDENS / variant.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def record(recorder, folder):
    """Adds cases.json to the folder; returns the cases."""
    encodings = [recorder.encoding(length) for length in (1, 3, 30, 200)]
    steps = [recorder.steps(length) for length in (1, 14, 150)]
    cases = {
        "encodings": encodings,
        "steps": steps,
        "rounding": [rounding(recorder, folder, name, steps) for name in HALF_TYPES],
        "generations": generations(recorder),
    }
    (folder / "cases.json").write_text(compact(cases))
    for path in folder.iterdir():
        path.chmod(0o644)
    size = sum(path.stat().st_size for path in folder.iterdir())
    ends = [case["finish"] for case in cases["generations"]]
    print(f"{folder.name}: {size // 1000} kB, {ends.count('eos')} of {len(ends)} end with EOS")
    return cases


def main(variants, make):
    """Makes the variants that the command line names, or all: make(variant, seed) with one seed
    after the other until outputs vary."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    chosen = sys.argv[1:]
    for number, variant in enumerate(variants):
        if not chosen or variant.name in chosen:
            seeds = range(number, number + 1000, 100)
            if not any(varied(make(variant, seed)) for seed in seeds):
                raise RuntimeError(f"{variant.name}: no seed gives outputs that vary")


if __name__ == "__main__":
    main(VARIANTS, make)
