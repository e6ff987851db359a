"""Adds scores.json to some folders of tests/data/goldens: what transformers makes (fp32, CPU) of the
checkpoints there, which t5.py and bart.py wrote.

    python3 -m pip install -r tools/goldens/requirements.txt
    python3 tools/goldens/scores.py [VARIANT...]

scores.json holds
  scores   for a source and a target: the log-probability of each of the target's tokens when the
           decoder is fed its start token and all of them but the last. That is the log softmax of
           model(input_ids, labels=target).logits, which this script makes sure of, but for mBART,
           whose labels are shifted round so that the last one, a language, becomes the start
  states   for a source: the encoder's last hidden states: their mean, the first, that of the last
           EOS (as transformers' sequence classification of BART takes it), or of the last position
           of a source without one
"""

import json
import random
import sys

import torch
import transformers

from t5 import GOLDENS, compact, load, rounded

# Every family; two vocabularies; half precision as stored.
VARIANTS = ["bart", "bf16", "flan_t5", "m2m100", "marian", "marian_two_vocabularies", "mbart50",
            "nllb", "pegasus", "t5_v1_1", "umt5", "mt5", "byt5", "mbart25", "plbart", "blenderbot",
            "madlad", "t5_v1_0", "marian_tc_big"]


class Recorder:
    def __init__(self, folder, seed):
        self.model = load(transformers.AutoModelForSeq2SeqLM, folder, torch.float32)
        self.rng = random.Random(seed)
        self.eos = self.model.config.eos_token_id
        generation = self.model.generation_config
        self.start = generation.decoder_start_token_id
        if self.start is None:
            self.start = generation.bos_token_id

    def tokens(self, embedding, length):
        special = 4
        return [self.rng.randrange(special, embedding.num_embeddings - special)
                for _ in range(length - 1)] + [self.eos]

    def source(self, length):
        return self.tokens(self.model.get_encoder().get_input_embeddings(), length)

    def target(self, length):
        return self.tokens(self.model.get_decoder().get_input_embeddings(), length)

    @torch.no_grad()
    def score(self, source, target):
        output = self.model(
            torch.tensor([source]),
            decoder_input_ids=torch.tensor([[self.start] + target[:-1]]),
            use_cache=False,
        )
        if self.model.config.model_type not in ("mbart", "plbart"):
            labelled = self.model(torch.tensor([source]), labels=torch.tensor([target]))
            torch.testing.assert_close(output.logits, labelled.logits)
        log_probs = output.logits[0].log_softmax(-1).gather(1, torch.tensor(target)[:, None])
        return {"source": source, "target": target, "logprobs": rounded(log_probs)}

    @torch.no_grad()
    def states(self, source):
        states = self.model.get_encoder()(torch.tensor([source])).last_hidden_state[0]
        eos = [i for i, token in enumerate(source) if token == self.eos]
        return {
            "source": source,
            "mean": rounded(states.mean(0)),
            "first": rounded(states[0]),
            "last": rounded(states[eos[-1] if eos else -1]),
        }


def cases(recorder):
    scores = []
    for source_length, target_lengths in ((1, (1, 5)), (7, (2, 3, 17)), (40, (1, 64, 9, 31))):
        source = recorder.source(source_length)
        scores += [recorder.score(source, recorder.target(length)) for length in target_lengths]
    sources = [recorder.source(length) for length in (1, 2, 13, 90)]
    middle = recorder.source(20)
    middle[11] = recorder.eos
    sources += [middle[:-1], recorder.source(9)[:-1]]  # an EOS in the middle alone; none
    if recorder.model.config.model_type == "m2m_100":  # its padding has no position
        pad = recorder.model.config.pad_token_id
        for places in ((0,), (3,), (2, 3, 7), (0, 1, 8)):
            source, target = recorder.source(10), recorder.target(12)
            for place in places:
                source[place] = target[place] = pad
            scores += [recorder.score(source, recorder.target(6)), recorder.score(source, target)]
            sources.append(source)
    return {"scores": scores, "states": [recorder.states(source) for source in sources]}


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for seed, name in enumerate(VARIANTS):
        if name not in (sys.argv[1:] or VARIANTS):
            continue
        path = GOLDENS / name / "scores.json"
        path.write_text(compact(cases(Recorder(path.parent, seed))))
        print(f"{name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
