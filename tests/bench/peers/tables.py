#!/usr/bin/env python3
"""Prints the tables of docs/performance.md, "One GPU", from what tools/gpu-check left in one or more
calls:

    tests/bench/peers/tables.py gpu-check.json...

The peers' figures are lines as their scripts print them, recorded_h200.jsonl unless --peers names a file.
"""

import argparse
import json
import pathlib
import sys

from floor import floor
from workloads import WORKLOADS

RECORDED = pathlib.Path(__file__).with_name("recorded_h200.jsonl")


def print_table(columns, rows):
    if not rows:
        return
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


def fixed_batches(lines, peers):
    for line in lines:
        name, batch, rate = line["workload"], line["batch"], line["tokens_per_s"]
        best = max((p["tokens_per_s"] for p in peers if (p["workload"], p["batch"]) == (name, batch)),
                   default=None)
        least = floor(WORKLOADS[name], batch)["tokens_per_s"]
        yield [name, batch, f"{rate:,.0f}", f"{line['encoder_ms']:.1f}", f"{line['step_ms']:.2f}",
               f"{least:,}", f"{rate / least:.2f}"] + (
                   [f"{best:,.0f}", f"{rate / best:.1f}"] if best else ["not measured", ""])


def arrivals(lines, fixed):
    """One row a rate, after the fixed batch of as many rows, which nothing arrives beside."""
    shared = {(line["workload"], line["batch"]) for line in lines}
    for line in fixed:
        if (line["workload"], line["batch"]) in shared and "inter_token_p50_ms" in line:
            yield ["the fixed batch", "", "", f"{line['tokens_per_s']:,.0f}", "", "",
                   f"{line['inter_token_p50_ms']:.1f}", f"{line['inter_token_p99_ms']:.1f}"]
    for line in lines:
        at_once = line["rate"] == "inf"
        yield ["all at once" if at_once else f"{line['rate']:.0f}",
               "" if at_once else f"{line['offered_per_s']:.0f}", f"{line['completed_per_s']:.0f}",
               f"{line['tokens_per_s']:,.0f}"] + [
                   f"{line[f'{what}_{p}_ms']:,.1f}" for what in ("first_token", "inter_token")
                   for p in ("p50", "p99")]


def service(calls, alone):
    """One row for each model, kind of call and concurrency, beside the engine alone with as many rows."""
    for line in calls:
        rate = line["tokens_per_s"]
        for engine in alone:
            if all(engine[key] == line[key] for key in ("model_dir", "batch")):
                yield [line["model_dir"], line["peer"].removeprefix("ghz-"), line["batch"],
                       f"{rate:,.0f}", f"{engine['tokens_per_s']:,.0f}",
                       f"{rate / engine['tokens_per_s']:.2f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=pathlib.Path, metavar="gpu-check.json")
    parser.add_argument("--peers", type=pathlib.Path, default=RECORDED)
    args = parser.parse_args()

    lines = []
    for report in map(json.loads, map(pathlib.Path.read_text, args.reports)):
        print(f"{report['gpu']}, {report['date'][:10]}, commit {report['commit']}")
        lines += report["measurements"]
    if not lines:
        sys.exit("there are no measurements in " + ", ".join(map(str, args.reports)))
    # A peer's line may say why it has no figure; around them there may be comments and logs.
    peers = [json.loads(line) for line in args.peers.read_text().splitlines() if line[:1] == "{"]
    peers = [peer for peer in peers if "tokens_per_s" in peer]
    poisson = [line for line in lines if "arrivals" in line]
    calls = [line for line in lines if line["peer"].startswith("ghz")]
    together = [line for line in lines if line not in poisson and line not in calls]
    alone = [line for line in together if "model_dir" in line]
    fixed = [line for line in together if "model_dir" not in line]
    print_table(["workload", "batch", "tokens/s", "encoder ms", "step ms", "floor tokens/s",
                 "fraction of floor", "best peer", "ratio"], list(fixed_batches(fixed, peers)))
    print_table(["rate", "offered, requests/s", "completed", "tokens/s", "first token p50, ms", "p99",
                 "inter-token p50, ms", "p99"], list(arrivals(poisson, fixed)))
    print_table(["model", "calls", "concurrency", "ghz, tokens/s", "transept-bench on the same folder",
                 "ratio"], list(service(calls, alone)))


if __name__ == "__main__":
    main()
