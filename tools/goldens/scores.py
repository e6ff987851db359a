"""Writes tests/data/goldens/<variant>/scores.json: how likely transformers takes given targets to be,
and what its encoder makes of sources (tiny checkpoints, fp32, CPU).

  scores   for a source and a target: the log-probability of each of the target's tokens when the
           decoder is fed its start token and all of them but the last. That is the log softmax of
           model(input_ids, labels=target).logits, which is made sure of here, but for mBART,
           whose labels are shifted round so that the last one, a language, becomes the start
  states   for a source: the encoder's last hidden states: their mean, the first, that of the last
           EOS (as transformers' sequence classification of BART takes it), or of the last position
           of a source without one
"""

import torch

from checkpoints import recorder_of
from files import GOLDENS, write_cases
from recorder import Recorder, rounded
from seeds import SEEDS


class ScoreRecorder(Recorder):
    def ended(self, stack, length):
        """Tokens that the encoder or the decoder takes, the last one EOS."""
        special = 4
        vocabulary = stack.get_input_embeddings().num_embeddings
        return self.tokens(range(special, vocabulary - special), length - 1) + [self.eos]

    def source(self, length):
        return self.ended(self.model.get_encoder(), length)

    def target(self, length):
        return self.ended(self.model.get_decoder(), length)

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


def make(name):
    made = cases(recorder_of(name, SEEDS[name]["scores"], ScoreRecorder))
    write_cases(GOLDENS / name / "scores.json", made)
    return f"{len(made['scores'])} targets, {len(made['states'])} sources"
