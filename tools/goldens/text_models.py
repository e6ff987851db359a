"""The part of translation.py about text to text: writes a tiny random model for each
family, and what it makes of texts with each of the family's tokenizers, which lie in the folders of
tests/data/translation and tests/data/text: in the layouts of transformers 4 and of 5.

Marian, with one vocabulary or two, and PLBart have one layout each: neither 4 nor 5 has a fast
tokenizer for them, so both write the same SentencePiece models and vocabularies, and no
tokenizer.json. Of what differs, in tokenizer_config.json and special_tokens_map.json, no id depends:
folders that 4.57.1 and 5.17 had written gave the same for all of texts.json.

A model's folder has a tokenizer's files beside it only once a test puts them there. cases.json is a
list: the tokenizers that agree, by their folders in tests/data, and the texts. All comes from
transformers 5.17, but for the tokenizers that madlad.py has functions of its own for.

scores.json is such a list as well, of texts scored as labels: model(input_ids, labels=labels) gives
the logits, whatever it feeds the decoder for it.
"""

import os

import torch
import transformers
from transformers import (BartTokenizer, BlenderbotTokenizer, ByT5Tokenizer, M2M100Tokenizer, MarianTokenizer,
                          MBart50Tokenizer, MBartTokenizer, NllbTokenizer, PegasusTokenizer, PLBartTokenizer,
                          T5Tokenizer)

import madlad
from files import DATA, TEXT, TRANSLATION, compact, write_json
from sentences import SENTENCES

MAX_SOURCE = 90
BART_LIKE = {"encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
             "encoder_ffn_dim": 24, "decoder_ffn_dim": 24, "max_position_embeddings": 96, "init_std": 0.6,
             "dropout": 0.0, "scale_embedding": True}
T5_LIKE = {"num_layers": 2, "num_heads": 2, "d_kv": 4, "d_ff": 24, "initializer_factor": 2.0,
           "dropout_rate": 0.0}


def encode_source(tokenizer, source, target, text):
    if isinstance(tokenizer, MarianTokenizer):
        return tokenizer(f">>{target}<< {text}" if target else text).input_ids
    if isinstance(tokenizer, (T5Tokenizer, madlad.Functions)):
        return tokenizer(f"<2{target}> {text}" if target else text).input_ids
    if source:
        tokenizer.src_lang = source
    return tokenizer(text).input_ids


def start_of(tokenizer, target):
    """What makes the output begin with its language."""
    if isinstance(tokenizer, (MBartTokenizer, PLBartTokenizer)):
        token = f"__{target}__" if isinstance(tokenizer, PLBartTokenizer) else target
        return {"decoder_start_token_id": tokenizer.convert_tokens_to_ids(token)}
    if isinstance(tokenizer, (NllbTokenizer, MBart50Tokenizer)):
        return {"forced_bos_token_id": tokenizer.convert_tokens_to_ids(target)}
    if isinstance(tokenizer, M2M100Tokenizer):
        return {"forced_bos_token_id": tokenizer.get_lang_id(target)}
    return {}


def cases_of(model, tokenizer, languages):
    cases = []
    for text in SENTENCES[:12]:
        for source, target in languages:
            ids = encode_source(tokenizer, source, target, text)
            if len(ids) >= MAX_SOURCE:
                continue
            output = model.generate(torch.tensor([ids]), max_new_tokens=20, repetition_penalty=3.0,
                                    **start_of(tokenizer, target))[0].tolist()
            cases.append({"source": source, "target": target, "text": text,
                          "output": tokenizer.decode(output, skip_special_tokens=True)})
    return cases


def encode_labels(tokenizer, target, text):
    """As transformers has them, but for the EOS that its Blenderbot of a folder without tokenizer.json
    leaves out."""
    if target and hasattr(tokenizer, "tgt_lang"):
        tokenizer.tgt_lang = target
    labels = tokenizer(text_target=text).input_ids
    if isinstance(tokenizer, BlenderbotTokenizer) and labels[-1] != tokenizer.eos_token_id:
        labels.append(tokenizer.eos_token_id)
    return labels


@torch.no_grad()
def scores_of(model, tokenizer, languages):
    scores = []
    for source, target in languages:
        for text, label_text in zip(SENTENCES[:3], SENTENCES[3:6]):
            ids = encode_source(tokenizer, source, target, text)
            labels = encode_labels(tokenizer, target, label_text)
            if max(len(ids), len(labels)) >= MAX_SOURCE:
                continue
            logits = model(torch.tensor([ids]), labels=torch.tensor([labels])).logits[0]
            logprobs = logits.log_softmax(-1).gather(1, torch.tensor(labels)[:, None])[:, 0]
            scores.append({"source": source, "target": target, "text": text, "label_text": label_text,
                           "labels": labels, "logprobs": [round(x, 5) for x in logprobs.tolist()]})
    return scores


def write_runs(path, tokenizer_class, tokenizers, cases_of_one):
    """The cases that a function has for each tokenizer, those tokenizers together that agree."""
    runs = []
    for name in tokenizers:
        cases = cases_of_one(tokenizer_class.from_pretrained(name))
        in_data = os.path.relpath(name, DATA)
        same = [run for run in runs if run["cases"] == cases]
        if same:
            same[0]["tokenizers"].append(in_data)
        else:
            runs.append({"tokenizers": [in_data], "cases": cases})
        results = {str(case.get("output", case.get("logprobs"))) for case in cases}
        print(f"{os.path.relpath(path, TRANSLATION)}, {in_data}: {len(results)} different results of {len(cases)}",
              flush=True)
    write_json(path, runs)


def write_model(name, family, tokenizer_class, tokenizers, languages=(("", ""),), also_scored=(), also_pairs=(),
                **config):
    """`tokenizers`: their folders; `family`: what the model's classes are called; `also_scored` and
    `also_pairs`: more tokenizers and, in front, pairs of languages for the scores alone."""
    folder = os.path.join(TRANSLATION, "models", name)
    torch.manual_seed(7)
    model_class = getattr(transformers, family + ("MTModel" if family == "Marian" else "ForConditionalGeneration"))
    like = T5_LIKE if family.endswith("T5") else BART_LIKE
    config = getattr(transformers, family + "Config")(**{"d_model": 8, **like, **config})
    model = model_class(config)
    model.generation_config.num_beams = 1
    model.to(torch.bfloat16).save_pretrained(folder)
    model = model_class.from_pretrained(folder, dtype=torch.float32).eval()
    write_runs(os.path.join(folder, "cases.json"), tokenizer_class, tokenizers,
               lambda tokenizer: cases_of(model, tokenizer, languages))
    write_runs(os.path.join(folder, "scores.json"), tokenizer_class, [*tokenizers, *also_scored],
               lambda tokenizer: scores_of(model, tokenizer, [*also_pairs, *languages]))
    compact(folder)


def folders(*names):
    return [os.path.join(TRANSLATION, name) for name in names]


def texts(*names):
    return [os.path.join(TEXT, name) for name in names]


def size(tokenizer_class, names):
    return len(tokenizer_class.from_pretrained(names[0]))


def write_models_with_languages():
    names = folders("marian_v4")
    pad = MarianTokenizer.from_pretrained(names[0]).pad_token_id
    write_model("marian", "Marian", MarianTokenizer, names, [("", "fra"), ("", "deu")],
                vocab_size=pad + 1, pad_token_id=pad, eos_token_id=0, bos_token_id=0, decoder_start_token_id=pad,
                forced_eos_token_id=0)
    names = folders("nllb_v4", "nllb_v5")
    write_model("nllb", "M2M100", NllbTokenizer, names,
                [("eng_Latn", "fra_Latn"), ("deu_Latn", "zho_Hans")], folders("nllb_legacy_v5"),
                vocab_size=size(NllbTokenizer, names), decoder_start_token_id=2)
    names = folders("m2m100_v4", "m2m100_v5")
    write_model("m2m100", "M2M100", M2M100Tokenizer, names, [("en", "fr"), ("zu", "de")],
                vocab_size=size(M2M100Tokenizer, names), decoder_start_token_id=2)
    names = folders("mbart_v4", "mbart_v5")
    write_model("mbart", "MBart", MBartTokenizer, names, [("en_XX", "ro_RO"), ("de_DE", "zh_CN")],
                vocab_size=size(MBartTokenizer, names), forced_eos_token_id=None,
                decoder_start_token_id=MBartTokenizer.from_pretrained(names[0]).convert_tokens_to_ids("en_XX"))
    names = folders("mbart50_v4", "mbart50_v5")
    write_model("mbart50", "MBart", MBart50Tokenizer, names,
                [("en_XX", "ro_RO"), ("de_DE", "zh_CN")], vocab_size=size(MBart50Tokenizer, names),
                decoder_start_token_id=2)
    # Two numbers of languages.
    for name, names, pairs in (("plbart", folders("plbart_v5"), [("java", "en_XX"), ("en_XX", "python")]),
                               ("plbart_multi", folders("plbart_multi_v4"), [("php", "en_XX"), ("en_XX", "go")])):
        write_model(name, "PLBart", PLBartTokenizer, names, pairs, also_pairs=[("", "")],
                    vocab_size=size(PLBartTokenizer, names))
    names = folders("madlad_v4", "madlad_json_v4", "madlad_v5")
    write_model("madlad", "T5", madlad.MadladTokenizer, names, [("", "de"), ("", "zh_Latn")],
                vocab_size=size(T5Tokenizer, names), feed_forward_proj="gated-gelu", tie_word_embeddings=False,
                pad_token_id=1, eos_token_id=2, decoder_start_token_id=0)


def write_models_without_languages():
    names = folders("marian_separate_v5")
    tokenizer = MarianTokenizer.from_pretrained(names[0])
    write_model("marian_separate", "Marian", MarianTokenizer, names, vocab_size=len(tokenizer.encoder),
                decoder_vocab_size=len(tokenizer.target_encoder), share_encoder_decoder_embeddings=False,
                tie_word_embeddings=False, pad_token_id=2, eos_token_id=0, bos_token_id=0, decoder_start_token_id=2,
                forced_eos_token_id=0)
    names = folders("pegasus_v4", "pegasus_v5")
    write_model("pegasus", "Pegasus", PegasusTokenizer, names, vocab_size=size(PegasusTokenizer, names))
    names = texts("bart_files", "bart_json")
    write_model("bart", "Bart", BartTokenizer, names, vocab_size=size(BartTokenizer, names))
    names = texts("blenderbot_files", "blenderbot_json")
    write_model("blenderbot", "Blenderbot", BlenderbotTokenizer, names,
                vocab_size=size(BlenderbotTokenizer, names), pad_token_id=1, bos_token_id=0, decoder_start_token_id=0)
    names = texts("t5_spiece", "t5_json")
    write_model("t5", "T5", T5Tokenizer, names, vocab_size=size(T5Tokenizer, names),
                decoder_start_token_id=0)
    names = texts("byt5")
    write_model("byt5", "T5", ByT5Tokenizer, names, vocab_size=384, decoder_start_token_id=0)


def make():
    write_models_with_languages()
    write_models_without_languages()
