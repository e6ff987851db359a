"""Runs the tiny checkpoints greedily, and says what comes out."""

import random

import torch

MIN_MARGIN = 5e-4
STEPS = 12


def rounded(tensor):
    """Six significant digits."""
    return [float(f"{value:.6g}") for value in tensor.reshape(-1).tolist()]


class Recorder:
    """Runs one checkpoint, loaded from its folder as anyone would. `source_range` and
    `target_range` are the tokens without a meaning of their own."""

    def __init__(self, variant, seed):
        self.variant = variant
        self.model = variant.load(torch.float32)
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
        self.source_range = variant.ordinary or range(2, self.model.config.vocab_size)
        self.target_range = variant.target or self.source_range

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
