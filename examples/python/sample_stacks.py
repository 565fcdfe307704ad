#!/usr/bin/env python3
"""Samples this process's own Python stacks with a timer and writes collapsed stacks.

A stand-alone stand-in for a profiler, good enough to have something real to look at: it works on
the standard library (parsing, compiling, sorting, hashing) while SIGPROF fires every 2 ms of CPU
time, and counts where it was. Usage: sample_stacks.py [--seconds N] [--output FILE]
"""

import argparse
import ast
import collections
import hashlib
import json
import os
import signal
import sysconfig
import time
import zlib

stacks = collections.Counter()


def on_timer(_signal, frame):
    names = []
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        names.append(f"{name} ({os.path.basename(code.co_filename)}:{frame.f_lineno or 0})")
        frame = frame.f_back
    stacks[";".join(reversed(names))] += 1


def sources():
    folder = sysconfig.get_path("stdlib")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                yield name, file.read()


def count_names(tree):
    counts = collections.Counter()
    for node in ast.walk(tree):
        counts[type(node).__name__] += 1
    return counts


def summarise(name, text):
    tree = ast.parse(text)
    counts = count_names(tree)
    words = sorted(set(text.split()))
    packed = zlib.compress(text.encode(), 6)
    return {"name": name, "nodes": counts, "words": len(words), "packed": len(packed)}


def work_until(deadline):
    report = []
    while time.monotonic() < deadline:
        for name, text in sources():
            report.append(summarise(name, text))
            if time.monotonic() >= deadline:
                break
    return hashlib.sha256(json.dumps(report).encode()).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--output", default="stacks.folded")
    options = parser.parse_args()

    signal.signal(signal.SIGPROF, on_timer)
    signal.setitimer(signal.ITIMER_PROF, 0.002, 0.002)
    work_until(time.monotonic() + options.seconds)
    signal.setitimer(signal.ITIMER_PROF, 0)

    with open(options.output, "w", encoding="utf-8") as file:
        for stack, count in sorted(stacks.items()):
            file.write(f"{stack} {count}\n")
    print(f"{options.output}: {sum(stacks.values())} samples, {len(stacks)} different stacks")


if __name__ == "__main__":
    main()
