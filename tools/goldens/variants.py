"""What the checkpoints of tests/data/goldens have in common, whatever their family."""

import dataclasses
import shutil

import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM

from files import GOLDENS


@dataclasses.dataclass
class Variant:
    name: str
    family: str  # the model_type of config.json
    config: dict = dataclasses.field(default_factory=dict)
    dtype: torch.dtype = torch.float32  # of the stored tensors
    generation: dict = dataclasses.field(default_factory=dict)  # more for generation_config.json
    ordinary: range | None = None  # tokens without a meaning of their own; None: all but the first two
    target: range | None = None  # of the target, if others

    @property
    def folder(self):
        return GOLDENS / self.name

    def random_model(self, defaults, randomize, rng):
        """As its configuration has it, and where that says nothing the defaults; `randomize` fills it
        with numbers of `rng`."""
        config = AutoConfig.for_model(self.family, **{**defaults, **self.config})
        model = AutoModelForSeq2SeqLM.from_config(config).eval()
        with torch.no_grad():
            randomize(model, rng)
        for name, value in self.generation.items():
            setattr(model.generation_config, name, value)
        return model.to(self.dtype)

    def load(self, dtype):
        """The model in its folder."""
        # Eager: with the default (sdpa) 5.17's UMT5 leaves out the causal mask when it is fed more
        # than one decoder token.
        return AutoModelForSeq2SeqLM.from_pretrained(
            self.folder, dtype=dtype, attn_implementation="eager").eval()

    def new_folder(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self.folder
