#!/usr/bin/env python3
"""Puts a server under load of fixed work with ghz, as streams or as unary calls, and prints the tokens/s
as one line of JSON with the fields of transept-bench. Every request has as many random tokens and
generates as many. Exits with 1 if a call failed. Run it in the root of the repository or of an
archive."""

import argparse
import json
import random
import subprocess
import sys
import tempfile

REQUESTS = 256  # different ones, sent in turn


def run_ghz(args, requests, seconds):
    """Keeps `--concurrency` calls running for so long; those that run then are awaited and count."""
    command = [args.ghz, "--config", f"deploy/ghz/{args.call}.json", "--data-file", requests,
               "--skipFirst", "0", "--concurrency", str(args.concurrency),
               "--duration", f"{seconds}s", "--duration-stop", "wait", "--format", "json", args.address]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1:50051")
    parser.add_argument("--model-dir", required=True, help="what is served, for the line alone")
    parser.add_argument("--call", choices=("stream", "unary"), default="stream")
    parser.add_argument("--source-tokens", type=int, default=128)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--vocabulary", type=int, default=3000, help="ids are below this")
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=10, help="after a fifth of it to warm up")
    parser.add_argument("--ghz", default="ghz")
    args = parser.parse_args()

    ids = random.Random(1)
    requests = [
        {"source": {"tokens": {"ids": [ids.randrange(5, args.vocabulary)
                                       for _ in range(args.source_tokens)]}},
         "options": {"max_new_tokens": args.new_tokens, "min_new_tokens": args.new_tokens}}
        for _ in range(REQUESTS)
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(requests, file)
        file.flush()
        run_ghz(args, file.name, max(1, args.seconds // 5))
        result = run_ghz(args, file.name, args.seconds)

    percentiles = {p["percentage"]: p["latency"] / 1e6 for p in result["latencyDistribution"] or []}
    statuses = result["statusCodeDistribution"]
    print(json.dumps({
        "peer": f"ghz-{args.call}", "model_dir": args.model_dir, "batch": args.concurrency,
        "source_tokens": args.source_tokens, "new_tokens": args.new_tokens,
        "tokens_per_s": statuses.get("OK", 0) / (result["total"] / 1e9) * args.new_tokens,
        "p50_ms": percentiles.get(50), "p99_ms": percentiles.get(99), "statuses": statuses,
    }))
    return 0 if set(statuses) == {"OK"} else 1


if __name__ == "__main__":
    sys.exit(main())
