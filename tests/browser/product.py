#!/usr/bin/env python3
"""Pages written by the tool, opened in a real browser and read back.

Makes collapsed stacks, works out every number from the list of stacks without any tree, has the tool write
pages (plain, icicle, pruned, inverted, a diff, a million nodes) and hands both to `run`.
Usage: product.py TOOL WORK_DIR
"""

import collections
import json
import pathlib
import random
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def make_stacks(seed, count, names):
    """Random stacks with recursion; distinct, with values."""
    rng = random.Random(seed)
    stacks = collections.Counter()
    for _ in range(count):
        depth = rng.randint(1, 14)
        stack = tuple(f"f{min(int(rng.expovariate(0.15)), names - 1)}" for _ in range(depth))
        stacks[("main",) + stack] += rng.randint(1, 50)
    return stacks


def wide_stacks(nodes):
    """About that many tree nodes: 40-deep runs below many branches."""
    rng = random.Random(7)
    stacks = {}
    made = 0
    branch = 0
    while made < nodes:
        depth = rng.randint(5, 40)
        path = ("main", f"part{branch % 97}", f"branch{branch}") + tuple(
            f"g{(branch * 31 + level * 17) % 20011}" for level in range(depth)
        )
        stacks[path] = rng.randint(1, 9)
        made += depth + 1
        branch += 1
    return stacks


def functions_of(stacks, baseline=None):
    self_of = collections.Counter()
    total_of = collections.Counter()
    for stack, value in stacks.items():
        self_of[stack[-1]] += value
        for name in set(stack):
            total_of[name] += value
    return self_of, total_of


def node_count(*tables):
    prefixes = set()
    for stacks in tables:
        for stack in stacks:
            for end in range(1, len(stack) + 1):
                prefixes.add(stack[:end])
    return len(prefixes) + 1


def expectation(stacks, baseline=None):
    self_of, total_of = functions_of(stacks)
    names = sorted(total_of, key=lambda name: (-self_of[name], name))[:25]
    functions = []
    base_self, base_total = functions_of(baseline) if baseline else ({}, {})
    for name in names:
        row = {"name": name, "self": self_of[name], "total": total_of[name]}
        if baseline:
            row["baselineSelf"] = base_self[name]
            row["baselineTotal"] = base_total[name]
        functions.append(row)
    wanted = {"unit": "count", "total": sum(stacks.values()), "functions": functions}
    if baseline:
        wanted["baselineTotal"] = sum(baseline.values())
        wanted["nodes"] = node_count(stacks, baseline)
    else:
        value = sum(v for stack, v in stacks.items() if any("f1" in name for name in stack))
        wanted["nodes"] = node_count(stacks)
        wanted["search"] = [{"pattern": "f1", "value": value, "share": value / wanted["total"]}]
    return wanted


def main():
    tool, work = sys.argv[1], pathlib.Path(sys.argv[2])
    work.mkdir(parents=True, exist_ok=True)

    def write(name, stacks):
        path = work / f"{name}.folded"
        with open(path, "w", encoding="utf-8") as file:
            for stack, value in stacks.items():
                file.write(f"{';'.join(stack)} {value}\n")
        return str(path)

    def run_tool(*words):
        subprocess.run([tool, *words, "-q"], check=True)

    before, after = make_stacks(1, 4000, 60), make_stacks(2, 4000, 60)
    before_file, after_file = write("before", before), write("after", after)
    wide = wide_stacks(1_000_000)
    wide_file = write("wide", wide)

    pages = []

    def page(name, expected, *words):
        html = str(work / f"{name}.html")
        run_tool(*words, "-o", html)
        pages.append(html)
        if expected is not None:
            wanted = work / f"{name}.expected.json"
            wanted.write_text(json.dumps(expected))
            pages.extend(["--expect", str(wanted)])

    plain = expectation(after)
    plain["title"] = "A <b>title</b> & more"
    page("plain", plain, "flame", after_file, "--title", plain["title"])
    page("icicle", expectation(before), "flame", before_file, "--icicle")
    pruned = {"unit": "count", "total": sum(after.values())}
    page("pruned", pruned, "flame", after_file, "--min-share", "1")
    page("inverted", {"total": sum(after.values())}, "flame", after_file, "--inverted")
    page("diff", expectation(after, before), "diff", before_file, after_file)
    million = expectation(wide)
    million["minNodes"] = 1_000_000
    page("million", million, "flame", wide_file)
    sys.exit(subprocess.run([str(HERE / "run"), *pages], check=False).returncode)


main()
