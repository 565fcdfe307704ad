#!/usr/bin/env python3
"""Holds our reading and diff of collapsed stacks against inferno's, as its SVG and its diff tell.

compare_inferno.py --profcore TOOL --work DIR --data DIR [--peers DIR] [FILE ...]

Every frame of inferno-flamegraph's SVG carries a name, a width and a height above the bottom; added
up by (depth, name) that must be what our collapsed output adds up to. inferno-diff-folded must give
the self and total values per name of `profcore diff --to tsv`. Meant differences are in
inferno_differences.txt; a rule that nothing needs fails. inferno is taken from DIR/inferno or from
the peers of the benchmarks, else built by cargo. Exit 77: no samples, or cargo does not deliver.
"""

import argparse
import collections
import fnmatch
import gzip
import html
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import profcore_tool

HERE = pathlib.Path(__file__).resolve().parent
VERSION = "0.12.8"
PROGRAMS = ("inferno-flamegraph", "inferno-diff-folded")
FRAME = re.compile(r"<g[^>]*><title>(.*?) \(([\d,]+) samples, [^)]*\)</title>"
                   r'<rect [^>]*?y="(\d+)"[^>]*? fg:x="\d+" fg:w="(\d+)"/>', re.DOTALL)
KIND = re.compile(r"_\[[kwij01]\]$")
DIFFS = [("inferno--before.txt", "inferno--after.txt"),
         ("FlameGraph--perf-java-stacks-01-collapsed-kernel.txt",
          "FlameGraph--perf-java-stacks-02-collapsed-kernel.txt"),
         ("inferno--go-stacks-collapsed.txt", "inferno--flames.txt"),
         ("FlameGraph--perf-dd-stacks-01-collapsed-kernel.txt",
          "FlameGraph--perf-numa-stacks-01-collapsed-kernel.txt")]


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(77)


def find_inferno(work, peers):
    for root in (work / "inferno", *([peers / "inferno"] if peers else [])):
        if all(os.access(root / "bin" / name, os.X_OK) for name in PROGRAMS):
            return root / "bin"
    cargo = shutil.which("cargo")
    if cargo is None:
        skip("no cargo to build inferno with")
    work.mkdir(parents=True, exist_ok=True)
    words = [cargo, "install", "--locked", "--version", VERSION, "--root", str(work / "inferno"),
             "--no-default-features", "--features", "cli", "inferno"]
    words += [word for name in PROGRAMS for word in ("--bin", name)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=540)
    except subprocess.TimeoutExpired:
        skip("cargo did not finish inferno in nine minutes")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        skip(f"cargo install inferno: {lines[-1] if lines else done.returncode}")
    return work / "inferno" / "bin"


class Rejected(Exception):
    """inferno does not read the file."""


def run(words):
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=120)
    if done.returncode != 0:
        raise Rejected(done.stderr.decode("utf-8", "replace").strip().splitlines()[-1])
    return done.stdout.decode("utf-8", "replace")


def plain_file(path, scratch):
    if path.suffix != ".gz":
        return path
    unpacked = pathlib.Path(scratch) / path.stem
    unpacked.write_bytes(gzip.decompress(path.read_bytes()))
    return unpacked


def read_svg(text):
    """(depth, name) -> value, depth 1 above "all"; and the total."""
    frames, bottom = collections.Counter(), 0
    found = [(html.unescape(name), int(value.replace(",", "")), int(y), int(width))
             for name, value, y, width in FRAME.findall(text)]
    if len(found) != text.count("<title>"):
        raise ValueError(f"{text.count('<title>')} titles, {len(found)} understood")
    rows = sorted({y for _, _, y, _ in found}, reverse=True)
    bottom = rows[0]
    height = min((a - b for a, b in zip(rows, rows[1:])), default=1)
    total = None
    for name, value, y, width in found:
        if value != width:
            raise ValueError(f"{name!r} says {value} and is {width} wide")
        depth = (bottom - y) // height
        if depth == 0:
            total = value
        else:
            frames[(depth, name)] += value
    return +frames, total


def our_frames(rows):
    frames = collections.Counter()
    for stack, value in rows:
        for depth, name in enumerate(stack, 1):
            frames[(depth, name)] += value
    return +frames


def read_our_way(frames, parts):
    """inferno's frames, with the recorded differences taken out."""
    read = collections.Counter()
    for (depth, name), value in frames.items():
        if name or "empty" not in parts:
            read[(depth, name)] += value
    return read


def first_difference(ours, theirs):
    wrong = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
    if not wrong:
        return None
    key = min(wrong)
    return f"{key}: {ours.get(key)}, inferno has {theirs.get(key)} (and {len(wrong) - 1} more)"


class Comparison:
    def __init__(self, tool, programs, path, scratch):
        self.path = path
        try:
            self.rows = tool.collapsed(path)
        except profcore_tool.Refused as error:
            self.rows = error
        try:
            svg = run([programs / "inferno-flamegraph", "-q", "--minwidth", "0",
                       plain_file(path, scratch)])
            self.theirs = read_svg(svg)
        except Rejected as error:
            self.theirs = error

    def difference(self, parts):
        refused = [isinstance(side, Exception) for side in (self.rows, self.theirs)]
        if all(refused):
            return None if "refused" in parts else f"both refuse: {self.rows} | {self.theirs}"
        if refused[0]:
            return None if "only-inferno" in parts else f"only inferno reads it: {self.rows}"
        if refused[1]:
            return None if "only-ours" in parts else f"only we read it: {self.theirs}"
        frames, total = self.theirs
        frames = read_our_way(frames, parts)
        ours, total_ours = our_frames(self.rows), sum(value for _, value in self.rows)
        if "rounding" in parts:
            lines = len(self.rows)
            if abs(total_ours - total) > lines:
                return f"total {total_ours}, inferno has {total}: more than one a line"
            wrong = {key for key in ours.keys() | frames.keys()
                     if abs(ours[key] - frames[key]) > lines}
            return f"more than one a line: {sorted(wrong)[:3]}" if wrong else None
        if total_ours != total:
            return f"total {total_ours}, inferno has {total}"
        return first_difference(ours, frames)


def compare_diff(tool, programs, before, after):
    text = run([programs / "inferno-diff-folded", before, after])
    self_values, totals = collections.Counter(), collections.Counter()
    for line in text.split("\n"):
        if not line:
            continue
        stack, base, value = line.rsplit(" ", 2)
        names = [KIND.sub("", name) for name in stack.split(";")]
        for side, number in (("base", int(base)), ("now", int(value))):
            self_values[(names[-1], side)] += number
            for name in set(names):
                totals[(name, side)] += number
    ours, our_totals, seen = collections.Counter(), collections.Counter(), collections.Counter()
    rows = tool.run("diff", str(before), str(after), "--to", "tsv", "-n", "0", "-o", "-")
    for row in rows.decode("utf-8").split("\n")[1:]:
        if row:
            name, _, _, _, _, own, total, base_own, base_total = row.split("\t")
            seen[name] += 1
            for side, a, b in (("now", own, total), ("base", base_own, base_total)):
                ours[(name, side)] += int(a)
                our_totals[(name, side)] += int(b)
    found = first_difference(+ours, +self_values)
    # Totals of a name that is both a user's and a kernel's cannot be added up.
    once = {name for name, count in seen.items() if count == 1}
    for name, _ in totals:
        if name not in seen:
            return f"no row for {name!r}"
    return found or first_difference(
        collections.Counter({k: v for k, v in our_totals.items() if v and k[0] in once}),
        collections.Counter({k: v for k, v in totals.items() if v and k[0] in once}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profcore", required=True, type=pathlib.Path)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--peers", type=pathlib.Path)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    args.data = profcore_tool.sample_folder(args.data, "collapsed")
    files = args.files or (sorted(path for path in args.data.iterdir() if path.is_file())
                           if args.data.is_dir() else [])
    if not files:
        skip(f"no sample files in {args.data}")
    tool = profcore_tool.Profcore(args.profcore)
    programs = find_inferno(args.work.resolve(), args.peers)
    rules = profcore_tool.load_rules(HERE / "inferno_differences.txt")
    counts = collections.Counter()

    def report(name, found, note):
        verdict = "differs" if found else note and "recorded" or "equal"
        counts[verdict] += 1
        print(f"{verdict:8} {name}: {(found or note)[:400]}")

    with tempfile.TemporaryDirectory(prefix="inferno-oracle-") as scratch:
        for path in files:
            parts = [part for pattern, part, _ in rules if fnmatch.fnmatch(path.name, pattern)]
            comparison = Comparison(tool, programs, path, scratch)
            found = comparison.difference(parts)
            needless = [part for part in parts if comparison.difference(
                [other for other in parts if other != part]) is None]
            if found is None and needless:
                found = f"recorded differences that are none: {', '.join(needless)}"
            report(path.name, found, ", ".join(parts))
    for before, after in [] if args.files else DIFFS:
        if (args.data / before).is_file() and (args.data / after).is_file():
            found = compare_diff(tool, programs, args.data / before, args.data / after)
            report(f"diff of {before} and {after}", found, "")
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
