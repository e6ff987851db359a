#!/usr/bin/env python3
"""Prints requests of fixed work for ghz: random token ids, all of one length, and as many tokens to
generate for each."""

import argparse
import json
import random

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--source-tokens", type=int, default=128)
parser.add_argument("--new-tokens", type=int, default=64)
parser.add_argument("--count", type=int, default=256, help="requests, sent in turn")
parser.add_argument("--vocabulary", type=int, default=3000, help="ids are below this")
args = parser.parse_args()

ids = random.Random(1)
print(json.dumps([
    {"source": {"tokens": {"ids": [ids.randrange(5, args.vocabulary)
                                   for _ in range(args.source_tokens)]}},
     "options": {"max_new_tokens": args.new_tokens, "min_new_tokens": args.new_tokens}}
    for _ in range(args.count)
]))
