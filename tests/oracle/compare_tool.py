#!/usr/bin/env python3
"""Holds `profcore` against `go tool pprof`: the totals of -raw, the tables of -top and -peek.

compare_tool.py --profcore TOOL --data DIR [FILE ...]

Every sample type is compared twice: by function and file, and by address, line and module. Then
some files once more through filters. Differences that are meant are in tool_differences.txt; a rule
that nothing needs any more fails. Exit 77: no samples or no Go here.
"""

import argparse
import collections
import fnmatch
import pathlib
import re
import sys

import pprof_raw
import profcore_tool
from profcore_tool import is_unnamed, pprof_name

HERE = pathlib.Path(__file__).resolve().parent
# How each side is asked for the same nodes.
GRAINS = {"functions": (["--key", "function"], ["-functions"]),
          "functions of files": (["--key", "file-function"], ["-filefunctions"]),
          "addresses": (["--key", "address"], ["-addresses"])}
FILTERS = [
    ("own--go119_cpu.pb.gz", {"focus": "mallocgc|memclr"}),
    ("own--go119_cpu.pb.gz", {"hide": r"^runtime\.", "ignore": "gcBgMarkWorker"}),
    ("own--go119_cpu.pb.gz", {"focus": r"sort\.go$", "show": r"^(main|sort)\."}),
    ("own--go119_heap.pb.gz", {"show_from": r"^main\.", "ignore": "bytes"}),
    ("own--go119_mutex.pb.gz", {"hide": "Unlock", "show_from": "main"}),
    ("parca--labels.pb.gz", {"tagfocus": "."}),
    ("pyroscope--cpu-exemplars.pb.gz", {"tagfocus": "function=fast", "focus": "main"}),
    ("pyroscope--cpu-exemplars.pb.gz", {"tagignore": "profile_id=."}),
    ("pprof--cppbench.cpu.pb", {"ignore": "libc-2"}),
    ("pprof--cppbench.heap", {"tagfocus": "1kb:64kb"}),
    ("pprof--gobench.heap", {"tagfocus": "bytes=1kb:", "tagignore": "512kb:"}),
    ("pprof--java.cpu", {"show": "^com\\.example", "hide": "void"}),
    ("speedscope--simple.prof", {"hide": "main.delta", "ignore": "duffcopy"}),
    ("libdatadog--profile.pprof", {"show_from": "HttpKernel::handle$", "hide": "closure"}),
]


INLINE = re.compile(r" \((partial-)?inline\)$")


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(77)


def plain(text):
    """Names that are not UTF-8 read as our JSON writes them."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def table(rows):
    """name -> sorted [(flat, cum)]; rows without any value say nothing."""
    found = collections.defaultdict(list)
    for name, flat, cum in rows:
        if flat or cum:
            found[name].append((flat, cum))
    return {name: sorted(values) for name, values in found.items()}


def edges(entries):
    """(caller, callee) -> sorted values, seen from both ends."""
    found = collections.defaultdict(list)
    for name, others, place in entries:
        for other, value in others:
            if value:
                found[(place, name, other)].append(value)
    return {key: sorted(values) for key, values in found.items()}


def difference(what, ours, theirs):
    for key in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(key), theirs.get(key)
        if a != b:
            extra = sum(ours.get(k) != theirs.get(k) for k in ours.keys() | theirs.keys()) - 1
            return f"{what} {key!r}: {a}, pprof has {b} (and {extra} more)"
    return None


class Comparison:
    """One file; `parts` are the differences that are allowed."""

    def __init__(self, tool, pprof, path):
        self.tool, self.pprof, self.path = tool, pprof, path
        self.kept = {}

    def once(self, key, make):
        """The tools run once, however often a rule is tried."""
        if key not in self.kept:
            try:
                self.kept[key] = make()
            except (profcore_tool.Refused, pprof_raw.Rejected) as error:
                self.kept[key] = error
        if isinstance(self.kept[key], Exception):
            raise self.kept[key]
        return self.kept[key]

    def first_difference(self, parts):
        try:
            ours = self.once("ours", lambda: self.tool.profile(self.path, "--drop-frames"))
        except profcore_tool.Refused as error:
            ours, our_error = None, str(error)
        try:
            theirs = self.once("theirs", lambda: self.pprof.raw(self.path))
        except pprof_raw.Rejected as error:
            theirs, their_error = None, str(error)
        if ours is None and theirs is None:
            if self.path.name not in our_error or len(our_error) < len(str(self.path)) + 10:
                return f"no precise error: {our_error!r}"
            return None if "refused" in parts else f"both refuse: {our_error} | {their_error}"
        if ours is None:
            return None if "only-pprof" in parts else f"only pprof reads it: {our_error}"
        if theirs is None:
            return None if "only-ours" in parts else f"only we read it: {their_error}"
        return self.compare_read(ours, theirs, parts)

    def compare_read(self, ours, theirs, parts):
        types = [f"{kind['type']}/{kind['source_unit']}" for kind in ours["sample_types"]]
        if types != [plain(kind) for kind in theirs["sample_types"]]:
            return f"types {types}, pprof has {theirs['sample_types']}"
        if profcore_tool.totals(ours) != pprof_raw.totals(theirs):
            return f"totals {profcore_tool.totals(ours)}, pprof has {pprof_raw.totals(theirs)}"
        if not theirs["samples"] or "names" in parts:
            return None
        for index, kind in enumerate(ours["sample_types"]):
            for grain in GRAINS:
                found = self.compare_tables(index, kind, grain, {})
                if found:
                    return f"{types[index]} by {grain}: {found}"
        return None

    def compare_tables(self, index, kind, grain, filters):
        our_key, their_key = GRAINS[grain]
        our_options = [*our_key, "--drop-frames", "-t", f"{kind['type']}/{kind['unit']}"]
        our_options += [word for name, value in filters.items()
                        for word in (f"--{name.replace('_', '-')}", value)]
        their_options = ["-trim=false", f"-sample_index={index}", f"-unit={kind['source_unit']}",
                         *their_key, *(f"-{name}={value}" for name, value in filters.items())]
        key = (index, grain, str(filters))
        rows = self.once(("our top", *key), lambda: self.tool.top(self.path, *our_options))
        top = self.once(("their top", *key), lambda: pprof_raw.parse_top(
            self.pprof.run(self.path, "-top", *their_options)))
        if grain == "functions":
            rows = [without_file(row) for row in rows]
        scale = kind.get("scale", 1)
        merged = grain.startswith("functions")
        found = difference("top", *self.tables(rows, top["rows"], scale, merged))
        if found:
            return found
        ours = self.once(("our peek", *key),
                         lambda: self.tool.peek(self.path, ".", *our_options))
        theirs = self.once(("their peek", *key), lambda: self.their_peek(their_options))
        if grain == "functions":
            ours = [{**without_file(row), **{place: [without_file(other) for other in row[place]]
                                             for place in ("callers", "callees")}}
                    for row in ours]
        return difference("peek", *self.edges(ours, theirs, scale, merged))

    def their_peek(self, options):
        try:
            return pprof_raw.parse_peek(self.pprof.run(self.path, "-peek=.", *options))
        except pprof_raw.Rejected as error:
            if "no matches found for regexp" in str(error):
                return []
            raise

    @staticmethod
    def tables(rows, others, scale, merged):
        """By function pprof makes one node of all unnamed addresses of a module, so only their own
        values can be added up; by address each is a row of its own."""
        ours = [(pprof_name(row), row["self"], row["total"]) for row in rows]
        theirs = [(plain(row["name"]), row["flat"] * scale, row["cum"] * scale) for row in others]
        if merged:
            ours, theirs = (sum_unnamed(side) for side in (ours, theirs))
        return table(ours), table(theirs)

    @staticmethod
    def edges(functions, entries, scale, merged):
        ours = [(pprof_name(row), [(pprof_name(other), other["value"]) for other in row[place]
                                   if "name" in other], place)
                for row in functions for place in ("callers", "callees")]
        theirs = [(plain(row["name"]), [(plain(INLINE.sub("", name)), value * scale)
                                       for name, value in row[place]], place) for row in entries for place in ("callers", "callees")]
        if merged:
            ours, theirs = ([(name, [pair for pair in others if not nameless(pair[0])], place)
                             for name, others, place in side if not nameless(name)]
                            for side in (ours, theirs))
        return edges(ours), edges(theirs)


def without_file(row):
    """pprof's -functions forgets the files; ours is kept for people while all that merged agree."""
    return {name: value for name, value in row.items() if name != "file"}


def nameless(name):
    return name == "<unknown>" or (name.startswith("[") and name.endswith("]"))


def sum_unnamed(rows):
    flat = collections.Counter()
    for name, self_value, _ in rows:
        if nameless(name):
            flat[name] += self_value
    return [row for row in rows if not nameless(row[0])] + [
        (name, value, None) for name, value in flat.items()]


def check_filters(tool, pprof, data):
    bad = 0
    for name, filters in FILTERS:
        path = data / name
        shown = " ".join(f"-{key}={value}" for key, value in filters.items())
        if not path.is_file():
            print(f"missing  {name}")
            continue
        comparison = Comparison(tool, pprof, path)
        profile = tool.profile(path)
        found = rows = None
        for index, kind in enumerate(profile["sample_types"]):
            for grain in GRAINS:
                try:
                    found = found or comparison.compare_tables(index, kind, grain, filters)
                except (profcore_tool.Refused, pprof_raw.Rejected) as error:
                    found = found or str(error)
            rows = len(comparison.kept.get(("our top", 0, "functions", str(filters)), ()))
        if not found and not rows:
            found = "nothing is left, so nothing was compared"
        bad += found is not None
        print(f"{'differs' if found else 'equal':8} {name} {shown}: {found or f'{rows} rows'}")
    return bad


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profcore", required=True, type=pathlib.Path)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    args.data = profcore_tool.sample_folder(args.data, "pprof")
    files = args.files
    if not files:
        if not args.data.is_dir():
            skip(f"no sample files in {args.data}")
        files = sorted(path for path in args.data.rglob("*")
                       if path.is_file() and path.suffix not in (".string", ".md"))
    if not files:
        skip("no file to compare")
    tool = profcore_tool.Profcore(args.profcore)
    rules = profcore_tool.load_rules(HERE / "tool_differences.txt")
    counts = collections.Counter()
    try:
        pprof = pprof_raw.Pprof()
    except FileNotFoundError as error:
        skip(error)
    with pprof:
        for path in files:
            comparison = Comparison(tool, pprof, path.resolve())
            parts = [part for pattern, part, _ in rules if fnmatch.fnmatch(path.name, pattern)]
            try:
                found = comparison.first_difference(parts)
                needless = [part for part in parts if comparison.first_difference(
                    [other for other in parts if other != part]) is None]
            except (pprof_raw.Unparsed, pprof_raw.Rejected, profcore_tool.Refused) as error:
                found, needless = f"{type(error).__name__}: {error}", []
            if found is None and needless:
                found = f"recorded differences that are none: {', '.join(needless)}"
            verdict = "differs" if found else "recorded" if parts else "equal"
            counts[verdict] += 1
            print(f"{verdict:8} {path.name}: {(found or ', '.join(parts))[:400]}")
        bad = 0 if args.files else check_filters(tool, pprof, args.data)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["differs"] or bad else 0


if __name__ == "__main__":
    sys.exit(main())
