"""Writes what transformers' beam search makes of the tiny checkpoints (fp32, CPU):

  tests/data/goldens/<variant>/beams.json   for source, target prefix and options: the returned
      sequences (the final EOS left out), why they end, and their scores
  tests/data/goldens/beam_steps.json        of some of these: the candidates of every step too

Sources are drawn again until no two scores that are compared anywhere on the way are as close as
rounding could turn round. Every request is a batch of its own: in a larger one transformers 5.17
goes on, and takes in further hypotheses, until no request of the batch can improve.

encoder_repetition_penalty goes by the request's source in all of its beams here, and in all of its
samples. transformers 5.17 gives the processor each source once, whatever the number of rows, and the
processor takes the n-th source for the n-th row: in a batch of one request it changes the first beam
alone, in a larger one beams of the first requests go by the sources of others.

Scores are reshaped by the size of the target's vocabulary here. transformers 5.17 reshapes them by the
source's, and fails where that is another one (Marian).
"""

import torch

from checkpoints import recorder_of
from files import GOLDENS, write_cases
from recorder import Recorder
from seeds import SEEDS

MIN_MARGIN = 3e-5
WITH_STEPS = ("t5_v1_1", "marian")  # those whose first cases go to beam_steps.json
NEVER_CHOSEN = -1e8  # scores below stand for "not to be chosen"


def smallest_gap(scores):
    """Between any two of the scores that count."""
    scores = scores[scores > NEVER_CHOSEN].sort().values
    return float(scores.diff().min()) if len(scores) > 1 else float("inf")


class Watch:
    """Listens in on one model's beam search."""

    def __init__(self, model):
        self.begin()
        for name in ("_get_top_k_continuations", "_update_finished_beams",
                     "_check_early_stop_heuristic"):
            setattr(model, name, self.wrap(getattr(model, name), getattr(self, name)))

    def begin(self):
        self.margin = float("inf")
        self.steps = []

    @staticmethod
    def wrap(function, listen):
        def wrapped(**arguments):
            result = function(**arguments)
            listen(arguments, result)
            return result

        return wrapped

    def _get_top_k_continuations(self, arguments, result):
        scores = arguments["accumulated_log_probs"][0]
        count = min(arguments["beams_to_keep"] + 1, len(scores))
        self.margin = min(self.margin, smallest_gap(scores.topk(count).values))
        log_probs, sequences, beams = (values[0] for values in result)
        length = arguments["cur_len"]
        self.steps.append({
            "beams": (beams[:, length - arguments["decoder_prompt_len"]]
                      % arguments["num_beams"]).tolist(),
            "tokens": sequences[:, length].tolist(),
            "scores": [float(f"{score:.9g}") for score in log_probs.clamp(min=-3e38).tolist()],
        })

    def _update_finished_beams(self, arguments, result):
        length = arguments["cur_len"] + 1 - arguments["decoder_prompt_len"]
        ended = arguments["next_token_hits_stopping_criteria"][0] & arguments["top_num_beam_mask"]
        new = arguments["topk_log_probs"][0][ended] / length ** arguments["length_penalty"]
        self.margin = min(self.margin, smallest_gap(torch.cat((arguments["beam_scores"][0], new))))

    def _check_early_stop_heuristic(self, arguments, result):
        if not arguments["is_sent_finished"].all():
            return
        never = arguments["early_stopping"] == "never" and arguments["length_penalty"] > 0
        length = arguments["max_length" if never else "cur_len"] - arguments["decoder_prompt_len"]
        best = arguments["running_beam_scores"][0, 0] / length ** arguments["length_penalty"]
        self.margin = min(self.margin, float((best - arguments["beam_scores"].min()).abs()))


class BeamRecorder(Recorder):
    watch_class = Watch

    def __init__(self, *arguments):
        super().__init__(*arguments)
        config = self.model.config
        config.vocab_size = getattr(config, "decoder_vocab_size", config.vocab_size)
        self.watch = self.watch_class(self.model)
        self.processors_of_rows = self.model._get_logits_processor
        self.model._get_logits_processor = self.processors_of_beams

    def processors_of_beams(self, generation_config, encoder_input_ids, **arguments):
        rows = max(generation_config.num_beams or 1, generation_config.num_return_sequences or 1)
        return self.processors_of_rows(generation_config=generation_config,
                                       encoder_input_ids=encoder_input_ids.repeat(rows, 1),
                                       **arguments)

    @torch.no_grad()
    def search(self, source, prefix, options, **more):
        options = dict(options)
        if "eos_token_ids" in options:
            options["eos_token_id"] = options.pop("eos_token_ids")
        self.watch.begin()
        return self.model.generate(
            torch.tensor([source]),
            attention_mask=torch.ones(1, len(source), dtype=torch.long),
            decoder_input_ids=torch.tensor([[self.start] + prefix]),
            do_sample=False,
            use_cache=self.use_cache,
            return_dict_in_generate=True,
            output_scores=True,
            **options,
            **more,
        )

    def case(self, length, options, prefix_length=0):
        for attempt in range(400):
            source = self.source(length)
            prefix = self.tokens(self.target_range, prefix_length)
            case = self.searched(source, prefix, options)
            best = case["outputs"][0]["tokens"]
            varied = len(set(best)) >= min(len(best), 4) or attempt >= 30
            if self.watch.margin >= MIN_MARGIN and varied:
                return case
        raise RuntimeError(f"no good source of {length} tokens for {options}")

    def searched(self, source, prefix, options):
        """The case that these make."""
        output = self.search(source, prefix, options)
        return {
            "source": source,
            "prefix": prefix,
            "options": options,
            "outputs": self.outputs(output, 1 + len(prefix), options),
            "margin": float(f"{min(self.watch.margin, 1e9):.3g}"),
        }

    def outputs(self, output, prompt_length, options):
        eos = options.get("eos_token_ids", [self.eos])
        outputs = []
        for sequence, beams, score in zip(
            output.sequences, output.beam_indices, output.sequences_scores
        ):
            generated = int((beams >= 0).sum())
            tokens = sequence[prompt_length : prompt_length + generated].tolist()
            ended = bool(tokens) and tokens[-1] in eos
            outputs.append({
                "tokens": tokens[: -1 if ended else None],
                "finish": "eos" if ended else "length",
                "score": float(f"{score:.7g}"),
            })
        return outputs


def every_width():
    """With every way to stop."""
    penalties = (1.0, 0.5, 2.0, -1.0, 0.0, 1.5, -0.3)
    lengths = (1, 2, 3, 7, 16, 17, 33, 64, 120)
    cases = []
    for beams in (2, 3, 4, 5, 6, 7, 8):
        for early_stopping in (False, True, "never"):
            number = len(cases)
            options = {
                "num_beams": beams,
                "max_new_tokens": 8 + number % 13,
                "early_stopping": early_stopping,
                "length_penalty": penalties[number % len(penalties)],
                "num_return_sequences": (1, beams, 2)[number % 3],
            }
            cases.append((lengths[number % len(lengths)], options))
    return cases


def searches(recorder):
    """Every width, then each option, alone and in company."""
    eos = recorder.eos
    some = lambda count: recorder.rng.sample(recorder.target_range, count)
    four = {"num_beams": 4, "max_new_tokens": 14, "num_return_sequences": 4}
    picked = some(13)
    return every_width() + [
        (5, {"num_beams": 4}),
        (9, {"num_beams": 16, "max_new_tokens": 9, "num_return_sequences": 16}),
        (30, {"num_beams": 16, "max_new_tokens": 12, "early_stopping": True}),
        (21, {"num_beams": 16, "max_new_tokens": 7, "eos_token_ids": [eos] + some(2)}),
        (14, {"num_beams": 2, "max_new_tokens": 40, "early_stopping": "never"}),
        (5, {"num_beams": 3, "max_length": 9, "num_return_sequences": 2}),
        (8, {"num_beams": 4, "max_new_tokens": 1, "num_return_sequences": 3}),
        (31, {"num_beams": 3, "max_length": 22, "min_length": 12}, 4),
        (12, {**four, "min_new_tokens": 14}),
        (12, {**four, "min_new_tokens": 6, "early_stopping": True}),
        (12, {**four, "repetition_penalty": 1.5}),
        (12, {**four, "repetition_penalty": 0.8}, 3),
        (20, {**four, "no_repeat_ngram_size": 1}),
        (20, {**four, "no_repeat_ngram_size": 2}, 2),
        (9, {**four, "suppress_tokens": some(40)}),
        (9, {**four, "begin_suppress_tokens": some(60)}),
        (9, {**four, "eos_token_ids": [eos] + some(6)}),
        (9, {**four, "eos_token_ids": some(3), "early_stopping": "never"}),
        (6, {**four, "forced_bos_token_id": some(1)[0]}),
        (6, {**four, "forced_bos_token_id": some(1)[0]}, 2),
        (6, {**four, "forced_eos_token_id": eos, "length_penalty": 2.0}),
        (15, {**four, "renormalize_logits": True, "repetition_penalty": 1.4}),
        (15, {**four, "renormalize_logits": True, "suppress_tokens": some(30)}),
        (40, {"num_beams": 5, "max_new_tokens": 10, "num_return_sequences": 5}, 17),
        (
            25,
            {
                "num_beams": 6,
                "max_new_tokens": 18,
                "num_return_sequences": 4,
                "early_stopping": "never",
                "length_penalty": 0.7,
                "renormalize_logits": True,
                "min_new_tokens": 4,
                "repetition_penalty": 1.2,
                "no_repeat_ngram_size": 3,
                "suppress_tokens": picked[:5],
                "begin_suppress_tokens": picked[5:10],
                "forced_bos_token_id": picked[10],
                "forced_eos_token_id": eos,
                "eos_token_ids": [eos] + picked[11:],
            },
        ),
    ]


def with_steps(recorder, count):
    """The first searches with the candidates of all their steps."""
    cases = []
    for case in searches(recorder)[:count]:
        cases.append(recorder.case(*case) | {"eos": recorder.eos, "steps": recorder.watch.steps})
    return cases


def make(name):
    recorder = recorder_of(name, SEEDS[name]["beams"], BeamRecorder)
    cases = [recorder.case(*case) for case in searches(recorder)]
    write_cases(GOLDENS / name / "beams.json", {"searches": cases})
    ends = [output["finish"] for case in cases for output in case["outputs"]]
    return (f"{len(cases)} searches, {ends.count('eos')} of {len(ends)} outputs end with EOS, "
            f"margin {min(case['margin'] for case in cases)}")


def make_steps():
    """Writes beam_steps.json."""
    cases = [case for name in WITH_STEPS
             for case in with_steps(recorder_of(name, 99, BeamRecorder), 21)]
    write_cases(GOLDENS / "beam_steps.json", {"searches": cases})
    return f"{len(cases)} searches"
