#!/usr/bin/env python3
"""Writes what transformers answers with the demo model (fp32, CPU, greedy), for the engine's tests.

One case a line, fields with tabs between: input text; its token ids with the closing EOS; the
output's token ids without the decoder start, with EOS unless the length limit came first; output
text. A case where two tokens were nearly equal is left out: there another order of additions may
rightly decide otherwise.
"""

import argparse
import itertools
import pathlib
import sys

import sentencepiece
import torch
import transformers

from evaluate import from_file
from generate import examples

_CLOSE = 0.5  # logits
_ODD = [
    "",
    "five",
    "  two   spaces cost  ten dollars ",
    "ten",
    "AT FIVE PM",
    "Zoë paid eleven euros for a café crème in Besançon",
    "crisps for twenty one pence 🙂 and 日本 tea for nine hundred yen",
    "x" * 40 + " fifty percent " + "y" * 40,
    "$3.50 at 4:30 PM on March 23, 2024 is fine as it is",
]


def _texts() -> list[str]:
    generated = [e.spoken for e in itertools.islice(examples("dev", seed=11), 12)]
    joined = (e.spoken for e in examples("train", seed=11) if len(e.spoken) > 350)
    return (
        [e.spoken for e in from_file("handwritten")[::2] + from_file("looked_at")[::4]]
        + generated
        + list(itertools.islice(joined, 4))
        + _ODD
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("out")
    arguments = parser.parse_args()
    model = transformers.T5ForConditionalGeneration.from_pretrained(
        arguments.folder, dtype=torch.float32
    ).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(arguments.folder)
    spiece = sentencepiece.SentencePieceProcessor(
        model_file=str(pathlib.Path(arguments.folder) / "spiece.model")
    )
    lines = []
    for text in _texts():
        inputs = tokenizer(text, return_tensors="pt")
        ids = inputs.input_ids[0].tolist()
        result = model.generate(
            **inputs, do_sample=False, num_beams=1, output_logits=True, return_dict_in_generate=True
        )
        best = torch.stack(result.logits)[:, 0].topk(2).values
        gap = (best[:, 0] - best[:, 1]).min().item()
        if gap < _CLOSE or ids != spiece.encode(text) + [tokenizer.eos_token_id]:
            print(f"left out (gap {gap:.2f}): {text}", file=sys.stderr)
            continue
        output = result.sequences[0, 1:]
        fields = (
            text,
            " ".join(map(str, ids)),
            " ".join(map(str, output.tolist())),
            tokenizer.decode(output, skip_special_tokens=True),
        )
        lines.append("\t".join(fields) + "\n")
    pathlib.Path(arguments.out).write_text("".join(lines), encoding="utf-8")
    print(f"{len(lines)} cases")


if __name__ == "__main__":
    main()
