"""Writes tests/data/goldens/<variant>/samples.json: what transformers draws from the tiny checkpoints
(fp32, CPU) where its random numbers are those that Transept takes for a seed (kernels/philox.h). All
else is its generate(): processors, filters and their order, the distribution that they leave, beams.

  generations  samples, like the generations of cases.json
  searches     drawn beams, like those of beams.json
  several      the samples of one request, like those of beams.json; with top_logprobs, which is no
               option of transformers, each of their tokens has its log-probability and those of the
               most likely ones

Sources and seeds are drawn again until rounding can neither let another token past a filter nor
turn a draw round, and until the output shows each filter, and that they stand in their order; of
several samples, until they differ.
"""

import math
from unittest import mock

import torch
from transformers import LogitsProcessorList
from transformers.generation import logits_process

from beams import NEVER_CHOSEN, BeamRecorder, Watch, smallest_gap
from checkpoints import recorder_of
from files import GOLDENS, write_cases
from processors import everything, within_target
from recorder import rounded
from seeds import SEEDS

# In their order, with what turns them off.
OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": None, "typical_p": 1.0,
       "epsilon_cutoff": 0.0, "eta_cutoff": 0.0}
ON = {"top_k": 50}  # unless a request says otherwise
WARPERS = tuple(getattr(logits_process, name + "LogitsWarper") for name in
                ("Temperature", "TopK", "TopP", "MinP", "Typical", "Epsilon", "Eta"))
ROUNDING = 2e-4  # of scores, many times what it is
MIN_DISTANCE = 1e-4  # of a draw from the next token's, in probability
MIN_MARGIN = 1e-4  # between what is compared in drawn beams, or ordered in lists of the most likely


def philox(counter, key):
    """Philox4x32-10."""
    for _ in range(10):
        products = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = (products[1] >> 32 ^ counter[1] ^ key[0], products[1] & 0xFFFFFFFF,
                   products[0] >> 32 ^ counter[3] ^ key[1], products[0] & 0xFFFFFFFF)
        key = (key[0] + 0x9E3779B9 & 0xFFFFFFFF, key[1] + 0xBB67AE85 & 0xFFFFFFFF)
    return counter[0] << 32 | counter[1]


def halves(seed):
    return seed & 0xFFFFFFFF, seed >> 32


def sampling_uniform(seed, sample, position):
    return (philox((position, sample, 0, 0), halves(seed)) >> 11) * 2.0**-53


def gumbel(seed, beam, position, token):
    uniform = ((philox((position, beam, token, 1), halves(seed)) >> 12) + 0.5) * 2.0**-52
    return -math.log(-math.log(uniform))


class WatchedProcessors(LogitsProcessorList):
    """The processors of one generation; notes what they make of its steps. `rows`: the ones that go
    on, which may become fewer."""

    def __init__(self, processors, noise, rows):
        super().__init__(processors)
        self.noise = noise
        self.rows = rows
        self.plain = LogitsProcessorList(p for p in self if not isinstance(p, WARPERS))
        self.log_probs = []  # before the filters
        self.firm = True  # whether the same tokens pass for scores that are a little different
        self.length = 0

    def __call__(self, input_ids, scores, **arguments):
        self.length = input_ids.shape[1]
        self.log_probs.append(self.plain(input_ids, scores.clone()).log_softmax(-1))
        result = super().__call__(input_ids, scores.clone())
        rows = sorted(self.rows)
        # transformers makes NaN of a banned EOS that exponential_decay_length_penalty raises.
        self.firm &= not result[rows].isnan().any()
        for _ in range(4):
            signs = torch.randint(2, scores.shape, generator=self.noise) * 2 - 1
            other = super().__call__(input_ids, scores + ROUNDING * signs)
            self.firm &= torch.equal(other[rows].isfinite(), result[rows].isfinite())
        return result


class DrawnWatch(Watch):
    def _get_top_k_continuations(self, arguments, result):
        """The next beams are ordered by their scores, and the order decides which noise they get."""
        self.margin = min(self.margin, smallest_gap(result[0][0]))


class SampleRecorder(BeamRecorder):
    watch_class = DrawnWatch

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.noise = torch.Generator().manual_seed(0)
        self.model._get_logits_processor = self.watched_processors
        self.continuations = self.model._get_top_k_continuations
        self.model._get_top_k_continuations = self.draw_candidates
        self.swapped = None  # the filter that changes places with the next one

    def watched_processors(self, **arguments):
        processors = list(self.processors_of_beams(**arguments))
        if self.swapped is not None:
            first = [isinstance(p, WARPERS) for p in processors].index(True) + self.swapped
            processors[first : first + 2] = reversed(processors[first : first + 2])
        self.processors = WatchedProcessors(processors, self.noise, self.rows)
        return self.processors

    def draw_tokens(self, probabilities, num_samples):
        """In place of torch.multinomial: where the running sum passes the row's uniform number."""
        tokens = []
        for row, weights in enumerate(probabilities):
            sums = weights.double().cumsum(0)
            reached = sums / sums[-1] - sampling_uniform(self.seed, row, self.processors.length)
            tokens.append((reached > 0).int().argmax())
            if row in self.rows:
                self.distance = min(self.distance, float(reached[:-1].abs().min()))
            if int(tokens[-1]) in self.ends:
                self.rows.discard(row)
        return torch.stack(tokens)[:, None]

    def draw_candidates(self, **arguments):
        """A step of a search with candidates drawn by Gumbel noise. Of tokens without a probability
        transformers makes up as many as are missing; here they are the best by score."""
        scores = arguments["accumulated_log_probs"][0]
        vocabulary, count = arguments["vocab_size"], arguments["beams_to_keep"]
        ranks = scores.double()
        for index in (scores > NEVER_CHOSEN).nonzero()[:, 0].tolist():
            ranks[index] += gumbel(self.seed, index // vocabulary, arguments["cur_len"],
                                   index % vocabulary)
        order = ranks.sort(descending=True, stable=True).indices
        self.watch.margin = min(self.watch.margin, smallest_gap(ranks[order[: count + 1]]))
        with mock.patch.object(torch, "multinomial", lambda *_, **__: order[None, :count]):
            return self.continuations(**arguments)

    @torch.no_grad()
    def drawn(self, source, prefix, options):
        """The case that these make; None where rounding decides."""
        given = dict(options)
        self.seed = given.pop("seed")
        top_logprobs = given.pop("top_logprobs", 0)
        self.ends = given.pop("eos_token_ids", [self.eos])
        beams, samples = given.get("num_beams", 1), given.get("num_return_sequences", 1)
        self.rows = set(range(max(beams, samples)))
        self.watch.begin()
        self.distance = 1.0
        with mock.patch.object(torch, "multinomial", self.draw_tokens):
            output = self.model.generate(
                torch.tensor([source]),
                attention_mask=torch.ones(1, len(source), dtype=torch.long),
                decoder_input_ids=torch.tensor([[self.start] + prefix]),
                use_cache=self.use_cache,
                return_dict_in_generate=True,
                output_scores=True,
                eos_token_id=self.ends,
                **given,
            )
        case = {"source": source, "prefix": prefix, "options": options}
        if beams > 1:
            case["outputs"] = self.outputs(output, 1 + len(prefix), options)
        elif samples > 1:
            case["outputs"] = [self.sample(tokens, row, top_logprobs)
                               for row, tokens in enumerate(output.sequences[:, 1 + len(prefix):])]
        else:
            case |= self.sample(output.sequences[0, 1 + len(prefix):], 0, top_logprobs)
        steady = self.distance >= MIN_DISTANCE and self.watch.margin >= MIN_MARGIN
        return case if steady and self.processors.firm else None

    def sample(self, tokens, row, top_logprobs):
        """What the case says of one sample. `tokens`: with the EOS and the padding behind it."""
        ended = [int(token) in self.ends for token in tokens]
        tokens = tokens[: ended.index(True) + 1 if True in ended else None]
        steps = torch.stack(self.processors.log_probs)[: len(tokens), row]
        log_probs = steps.gather(1, tokens[:, None])
        sample = {
            "tokens": tokens.tolist()[: -1 if True in ended else None],
            "finish": "eos" if True in ended else "length",
            "score": float(f"{log_probs.sum():.6g}"),
        }
        if top_logprobs > 0:
            sample["logprobs"] = rounded(log_probs)
            sample["top"] = [self.most_likely(step, top_logprobs) for step in steps]
        return sample

    def most_likely(self, log_probs, count):
        """The `count` best tokens, or as many as are possible, with their log-probabilities."""
        best = log_probs.topk(count + 1)
        self.watch.margin = min(self.watch.margin, smallest_gap(best.values))
        possible = int(best.values[:count].isfinite().sum())
        return [list(pair) for pair in zip(best.indices[:possible].tolist(),
                                           rounded(best.values[:possible]))]

    def differs(self, case, options):
        """Whether `options` make a clearly different output."""
        other = self.drawn(case["source"], case["prefix"], options)
        result = lambda drawn: [each["tokens"] for each in drawn.get("outputs", [drawn])]
        return other is not None and result(other) != result(case)

    def shows(self, case):
        """Whether the output would be another one without any of the filters, or with two of them the
        other way round."""
        options = case["options"]
        filters = [name for name in OFF if options.get(name, ON.get(name, 0)) != 0]
        if not all(self.differs(case, {**options, name: OFF[name]}) for name in filters):
            return False
        shown = True
        for first, pair in enumerate(zip(filters, filters[1:])):
            self.swapped = first
            shown = shown and (pair == ("temperature", "top_k") or self.differs(case, options))
        self.swapped = None
        return shown

    @staticmethod
    def varied(options, outputs):
        """Whether samples differ; if they have several EOS tokens, in length too."""
        if options.get("num_beams", 1) > 1:
            return True
        lengths = {len(tokens) for tokens in outputs}
        return len(set(map(tuple, outputs))) == len(outputs) and (
            len(outputs) == 1 or "eos_token_ids" not in options or len(lengths) > 1)

    def case(self, length, options, prefix_length=0):
        for _ in range(1500):
            source = self.source(length)
            prefix = self.tokens(self.target_range, prefix_length)
            chosen = {"do_sample": True, "seed": self.rng.randrange(2**64), **options}
            case = self.drawn(source, prefix, chosen)
            if case is None:
                continue
            outputs = [each["tokens"] for each in case.get("outputs", [case])]
            if len(set(outputs[0])) >= 4 and self.varied(chosen, outputs) and self.shows(case):
                return case
        raise RuntimeError(f"no good source of {length} tokens for {options}")


def samples(recorder):
    """Each filter alone, then in company, with processors too."""
    off = {"top_k": 0}
    processed = everything(recorder, recorder.tokens(recorder.target_range, 4))
    alone = [
        {"top_k": 5},
        {"temperature": 0.7, **off},
        {"temperature": 1.6, **off},
        {"top_p": 0.8, **off},
        {"min_p": 0.15, **off},
        {"typical_p": 0.7, **off},
        {"epsilon_cutoff": 0.05, **off},
        {"eta_cutoff": 0.3, **off},
    ]
    mixed = [
        {"temperature": 1.5, "top_k": 12, "top_p": 0.85},
        {"temperature": 1.3, "min_p": 0.05, "typical_p": 0.85, **off},
        {"top_p": 0.9, "typical_p": 0.8, "renormalize_logits": True, **off},
        {"temperature": 1.7, "typical_p": 0.85, "epsilon_cutoff": 0.04, **off},
        {"temperature": 1.7, "epsilon_cutoff": 0.08, "eta_cutoff": 0.3, **off},
    ]
    plain = {"max_new_tokens": 20}
    cases = [recorder.case(7, {**plain, **options}) for options in alone + mixed]
    cases.append(recorder.case(14, {**plain, "temperature": 6.0}))  # top_k by default
    cases.append(recorder.case(22, {**processed, "temperature": 1.3, "top_p": 0.9, **off}, 2))
    return cases


def drawn_beams(recorder):
    some = recorder.rng.sample(recorder.target_range, 2)
    processed = everything(recorder, recorder.tokens(recorder.target_range, 4))
    # Forced tokens are fewer than a step has to choose.
    for name in ("forced_bos_token_id", "forced_eos_token_id"):
        del processed[name]
    plain = {"num_return_sequences": 2, "top_k": 0}
    short = {**plain, "max_new_tokens": 10}
    return [
        recorder.case(9, {**short, "num_beams": 4}),
        recorder.case(6, {**short, "num_beams": 3, "temperature": 1.3, "top_k": 4}, 2),
        recorder.case(12, {**short, "num_beams": 5, "top_p": 0.9, "early_stopping": True}),
        recorder.case(5, {**short, "num_beams": 2, "temperature": 2.0, "typical_p": 0.8,
                          "eos_token_ids": [recorder.eos] + some, "length_penalty": 0.5}),
        recorder.case(8, {**short, "num_beams": 3, "temperature": 1.5, "min_p": 0.05,
                          "early_stopping": "never", "renormalize_logits": True}),
        recorder.case(8, {**short, "num_beams": 6, "epsilon_cutoff": 0.02}, 1),
        recorder.case(15, {**processed, **plain, "num_beams": 4, "temperature": 1.5,
                           "eta_cutoff": 0.02}),
    ]


def several(recorder):
    some = recorder.rng.sample(recorder.target_range, 2)
    processed = everything(recorder, recorder.tokens(recorder.target_range, 4))
    ends = {"max_new_tokens": 24, "eos_token_ids": [recorder.eos] + some}
    off = {"top_k": 0}
    return [
        recorder.case(7, {"num_return_sequences": 2, "max_new_tokens": 16, **off}),
        recorder.case(12, {"num_return_sequences": 4, "temperature": 1.8, "top_k": 6, **ends}),
        recorder.case(5, {"num_return_sequences": 3, "temperature": 2.0, "top_k": 8, "top_p": 0.8,
                          "top_logprobs": 3, **ends}, 2),
        recorder.case(18, {"num_return_sequences": 4, "temperature": 1.4, "top_p": 0.9,
                           "top_logprobs": 1, **ends, **off}, 5),
        recorder.case(9, {"num_return_sequences": 3, "min_p": 0.05, "typical_p": 0.85,
                          "max_new_tokens": 10, **off}, 1),
        recorder.case(15, {**processed, "num_return_sequences": 3, "temperature": 1.3,
                           "top_p": 0.9, **off}, 3),
    ]


def make(name):
    recorder, of_several = (
        within_target(recorder_of(name, SEEDS[name]["samples"] + first, SampleRecorder))
        for first in (300, 400))
    cases = {"generations": samples(recorder), "searches": drawn_beams(recorder),
             "several": several(of_several)}
    write_cases(GOLDENS / name / "samples.json", cases)
    return ", ".join(f"{len(group)} {title}" for title, group in cases.items())
