#!/usr/bin/env python3
"""Compares what we read from pprof files with what google/pprof reads.

compare_pprof.py --dump DUMP_PROFILE --data DIR [--go-dump BINARY] [--work DIR] [FILE ...]

Both dumpers read a file from stdin and print the same plain form; locations and mappings are then
compared by content and samples in order, so that ids do not matter. Differences that are meant are
in pprof_differences.txt. Exit 77: no samples or no Go here.
"""

import argparse
import fnmatch
import gzip
import pathlib
import shutil
import subprocess
import sys
import zlib

import profcore_tool

HERE = pathlib.Path(__file__).resolve().parent
# What google/pprof's legacy readers invent for addresses in no mapping; we leave those without one.
EVERYTHING = "0 ffffffffffffffff 0 % % 0"
HEAD = ("period_type", "period", "time", "duration", "default", "doc", "drop", "keep")


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(77)


def build_go_dump(work):
    if shutil.which("go") is None:
        skip("no go")
    work.mkdir(parents=True, exist_ok=True)
    binary = work / "gopprof_dump"
    built = subprocess.run(["go", "build", "-mod=readonly", "-o", str(binary), "."],
                           cwd=HERE / "gopprof_dump", capture_output=True, text=True)
    if built.returncode != 0:
        skip(f"go build: {built.stderr.strip()[-300:]}")
    return binary


def unpack(data):
    """Every gzip member; what could be read of a damaged one."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return zlib.decompressobj(31).decompress(data)


class Dump:
    def __init__(self, text, tolerated, legacy):
        self.head = {}
        self.comments, self.types, self.samples, self.labels = [], [], [], []
        mappings, locations = {"0": None}, {}
        order = {}
        self.stacks = []
        for row in text.splitlines():
            kind, _, rest = row.partition(" ")
            if kind == "mapping":
                number, _, content = rest.partition(" ")
                mappings[number] = None if legacy and content == EVERYTHING else content
            elif kind == "location":
                number, address, mapping, folded, *lines = rest.split(" ")
                mapping = None if "mappings" in tolerated else mappings[mapping]
                if "addresses" in tolerated:
                    address = ""
                if "lines" in tolerated:
                    lines = []
                locations[number] = (address, mapping, folded, tuple(lines))
            elif kind == "sample":
                values, stack, labels = rest.split(" ")
                self.samples.append(tuple(int(v) for v in values.split(",")) if values != "%"
                                    else ())
                self.labels.append("" if "labels" in tolerated else labels)
                stack = stack.split(",") if stack != "%" else []
                self.stacks.append(tuple(order.setdefault(locations[at], len(order))
                                         for at in stack))
            elif kind == "type":
                self.types.append(rest)
            elif kind == "comment":
                self.comments.append(rest)
            elif kind in HEAD:
                self.head[kind] = rest
            else:
                raise ValueError(f"a row of the unknown kind {kind!r}")
        self.locations = list(order)
        # Modules are interned: two equal mappings of a file are one here.
        self.mappings = [] if "mappings" in tolerated else list(dict.fromkeys(
            content for content in mappings.values() if content is not None))


def close(a, b, tolerance):
    return a == b or (tolerance and abs(a - b) <= max(1, abs(b) * 1e-9))


def first_difference(ours, theirs, tolerated):
    """A sentence, or None."""
    for key in HEAD:
        if ours.head.get(key) != theirs.head.get(key):
            return f"{key}: {ours.head.get(key)!r}, google/pprof has {theirs.head.get(key)!r}"
    for name in ("comments", "types", "mappings", "labels", "stacks", "locations"):
        a, b = getattr(ours, name), getattr(theirs, name)
        if a == b:
            continue
        if len(a) != len(b):
            return f"{len(a)} {name}, google/pprof has {len(b)}"
        at = next(i for i, pair in enumerate(zip(a, b)) if pair[0] != pair[1])
        return f"{name}[{at}]: {a[at]!r}, google/pprof has {b[at]!r}"
    for at, (a, b) in enumerate(zip(ours.samples, theirs.samples)):
        if len(a) != len(b) or not all(close(x, y, "values" in tolerated) for x, y in zip(a, b)):
            return f"values of sample {at}: {a}, google/pprof has {b}"
    return None


def load_rules():
    rules = []
    for row in (HERE / "pprof_differences.txt").read_text().splitlines():
        if row and not row.startswith("#"):
            pattern, part, reason = row.split("\t")
            rules.append((pattern, part, reason))
    return rules


def run(binary, data):
    done = subprocess.run([str(binary)], input=data, capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode("ascii", "replace"), done.stderr.decode(
        "utf-8", "replace").strip()


def compare(path, binaries, rules):
    """(verdict, text): equal, differs or refused."""
    data = unpack(path.read_bytes())
    legacy = looks_legacy(data)
    ours, theirs = (run(binary, data) for binary in binaries)
    for who, (code, _, err) in (("we", ours), ("google/pprof's dumper", theirs)):
        if code not in (0, 1):
            return "differs", f"{who} ended with {code}: {err[-200:]}"
    parts = [part for pattern, part, _ in rules if fnmatch.fnmatch(path.name, pattern)]
    needed = set()
    if ours[0] != 0 and theirs[0] != 0:
        result = "refused", f"{ours[2]} | {theirs[2]}"
    elif ours[0] != 0:
        needed.add("only-google")
        result = "equal", "refused by us as recorded"
        if "only-google" not in parts:
            return "differs", f"google/pprof reads it, we say {ours[2]!r}"
    elif theirs[0] != 0:
        needed.add("only-ours")
        result = "equal", "refused by google/pprof as recorded"
        if "only-ours" not in parts:
            return "differs", f"we read it, google/pprof says {theirs[2]!r}"
    else:
        difference = first_difference(Dump(ours[1], parts, legacy),
                                      Dump(theirs[1], parts, legacy), parts)
        if difference:
            return "differs", difference
        for part in parts:
            rest = [p for p in parts if p != part]
            if first_difference(Dump(ours[1], rest, legacy), Dump(theirs[1], rest, legacy),
                                rest):
                needed.add(part)
        result = "equal", f"{ours[1].count(chr(10) + 'sample ')} samples"
    unused = [part for part in parts if part not in needed]
    if unused:
        return "differs", f"recorded differences that are none: {', '.join(unused)}"
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dump", required=True, type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--go-dump", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("gopprof"))
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    args.data = profcore_tool.sample_folder(args.data, "pprof")
    files = args.files
    if not files:
        if not args.data.is_dir():
            skip(f"no sample files in {args.data}")
        files = sorted(path for path in args.data.rglob("*")
                       if path.is_file() and path.suffix not in (".string", ".lz4", ".md"))
    binaries = (args.dump.resolve(), args.go_dump or build_go_dump(args.work.resolve()))
    rules = load_rules()
    counts = {"equal": 0, "differs": 0, "refused": 0}
    for path in files:
        verdict, text = compare(path, binaries, rules)
        counts[verdict] += 1
        print(f"{verdict:8} {path.name}: {text[:400]}")
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    if not sum(counts.values()):
        skip("no file to compare")
    return 1 if counts["differs"] else 0


def looks_legacy(data):
    head = data[:256]
    words = head[:8] in (bytes(8), b"\0\0\0\0\3\0\0\0", b"\0\0\0\0\0\0\0\3")
    return words or head.startswith(b"---") or b" profile: " in head.partition(b"\n")[0]


if __name__ == "__main__":
    sys.exit(main())
