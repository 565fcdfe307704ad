#!/usr/bin/env python3
"""Stacks and values of --compat pyroscope against the collapsed files that grafana/jfr-parser's own tests expect.

Every expected file names the profile that Pyroscope makes of a recording; ours has all of them as columns. Both are
compared as {stack with lines: values}, and have to be equal but for one thing: "no line" is -1 in recordings, which it
stores as 4294967295 and we as no line.

usage: jfr_collapsed.py PROFCORE
"""
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

COLUMNS = {
    "process_cpu_cpu__nanoseconds": ["cpu"],
    "wall_wall__nanoseconds": ["wall"],
    "memory_alloc_in_new_tlab_objects__count_alloc_in_new_tlab_bytes__bytes": [
        "alloc_in_new_tlab_objects",
        "alloc_in_new_tlab_bytes",
    ],
    "memory_alloc_outside_tlab_objects__count_alloc_outside_tlab_bytes__bytes": [
        "alloc_outside_tlab_objects",
        "alloc_outside_tlab_bytes",
    ],
    "memory_alloc_sample_objects__count_alloc_sample_bytes__bytes": ["alloc_sample_objects", "alloc_sample_bytes"],
    "mutex_contentions__count_delay__nanoseconds": ["mutex_contentions", "mutex_delay"],
    "block_contentions__count_delay__nanoseconds": ["block_contentions", "block_delay"],
    "memory_live__count": ["live"],
    "memory_malloc_objects__count_malloc_bytes__bytes": ["malloc_objects", "malloc_bytes"],
}


def expected_of(path):
    stacks = {}
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if not line:
                continue
            stack, _, values = line.rpartition(" [")
            stack = re.sub(r":4294967295(?=;|$)", ":0", stack)
            values = [int(v) for v in values.rstrip("]").split()]
            known = stacks.setdefault(stack, [0] * len(values))
            for i, value in enumerate(values):
                known[i] += value
    return stacks


def ours_of(profcore, recording, rate):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        plain = Path(folder) / "in.jfr"
        plain.write_bytes(gzip.open(recording).read())
        subprocess.run(
            [profcore, "convert", str(plain), "--compat", "pyroscope", "--sample-rate", str(rate), "-q", "-o", str(out)],
            check=True,
        )
        return json.loads(out.read_text(encoding="utf-8", errors="replace"))


def collapse(profile, columns):
    functions = [f["name"] if f else "" for f in profile["functions"]]
    frames = [""]
    for location in profile["locations"][1:]:
        line = location["lines"][0]
        frames.append(f"{functions[line['function']]}:{line.get('line', 0)}")
    parents, locations = profile["stacks"]["parent"], profile["stacks"]["location"]
    texts = [""] * len(parents)
    for i in range(1, len(parents)):
        frame = frames[locations[i]]
        texts[i] = texts[parents[i]] + ";" + frame if parents[i] else frame
    types = [t["type"] for t in profile["sample_types"]]
    if any(c not in types for c in columns):
        return {}
    picked = [profile["samples"]["values"][types.index(c)] for c in columns]
    result = {}
    for row, stack in enumerate(profile["samples"]["stack"]):
        values = [column[row] for column in picked]
        if not any(values):
            continue
        known = result.setdefault(texts[stack], [0] * len(values))
        for i, value in enumerate(values):
            known[i] += value
    return result


def main():
    profcore = sys.argv[1]
    data = os.environ.get("PROFCORE_TESTDATA")
    if not data or not (Path(data) / "jfr").is_dir():
        print("the sample files are not here (PROFCORE_TESTDATA)", file=sys.stderr)
        return 77
    folder = Path(data) / "jfr"
    compared = bad = 0
    profiles = {}
    for path in sorted(folder.glob("jfr-parser--*_expected_collapsed.txt.gz")):
        if "truncated_frame" in path.name:  # an option that its server does not switch on
            continue
        match = re.fullmatch(r"(jfr-parser--.*?)_\d+_([a-z].*)_expected_collapsed\.txt\.gz", path.name)
        name, kind = match.group(1), match.group(2)
        if name not in profiles:
            profiles[name] = ours_of(profcore, folder / (name + ".jfr.gz"), 100)
        want = expected_of(path)
        got = collapse(profiles[name], COLUMNS[kind])
        compared += 1
        differ = {s for s in want.keys() | got.keys() if want.get(s) != got.get(s)}
        if not differ:
            continue
        bad += 1
        print(f"{path.name}: {len(differ)} of {len(want)} stacks differ")
        for stack in sorted(differ)[:3]:
            print(f"  {stack[-300:]}\n    expected {want.get(stack)}, got {got.get(stack)}")
    print(f"{compared} profiles compared, {bad} differ")
    return 1 if bad or compared == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
