#!/usr/bin/env python3
"""google/pprof as the reader of what we write.

roundtrip.py --profcore TOOL --data DIR [FILE ...]

Every file that both read is written by `profcore convert` as .pb.gz; `go tool pprof -raw` must then
say the same of it as of the original: samples in order with values, labels and stacks, locations and
mappings by content (ids may change), header. A file that only we read must come back equal to our
own reading. Collapsed and speedscope output must add up to the same totals. Meant differences are in
roundtrip_differences.txt; a rule that nothing needs fails. Exit 77: no samples or no Go here.
"""

import argparse
import collections
import fnmatch
import gzip
import json
import pathlib
import sys
import tempfile

import pprof_raw
import profcore_tool

HERE = pathlib.Path(__file__).resolve().parent
HEAD = ("comments", "period_type", "period", "time", "duration", "doc", "sample_types",
        "default_sample_type")
MADE_UP = [("0", "0", "0", "", "", "[]"), ("0", str(2**64 - 1), "0", "", "", "[]")]


def skip(why):
    print(f"skipped: {why}", file=sys.stderr)
    sys.exit(77)


def mapping_of(profile, number, parts):
    if number is None or "mappings" in parts:
        return None
    mapping = profile["mappings"][number]
    content = tuple(str(mapping[key]) for key in ("start", "limit", "offset", "file", "build_id",
                                                  "has"))
    # pprof makes one up for locations without a mapping, its legacy readers one over everything.
    return None if content in MADE_UP else content


def contents(profile, parts):
    """The parts of a profile that must agree, without ids."""
    locations = {}
    for number, at in profile["locations"].items():
        lines = tuple("??" if line is None else tuple(sorted(line.items()))
                      for line in at["lines"])
        if "lines" in parts:
            lines = ()
        locations[number] = (at["address"], mapping_of(profile, at["mapping"], parts),
                             at["folded"], lines)
    yield from ((key, profile[key]) for key in HEAD)
    yield "number of samples", len(profile["samples"])
    for index, sample in enumerate(profile["samples"]):
        labels = sample["labels"] if "labels" not in parts else []
        stack = [locations[number] for number in sample["locations"]]
        if "drop" in parts:
            stack = stack[-1:]
        yield f"sample {index}", (sample["values"], labels, stack)


def first_difference(before, after, parts):
    pairs = zip(contents(before, parts), contents(after, parts))
    for (what, a), (_, b) in pairs:
        if a != b:
            return f"{what}: was {a}, is {b}"
    return None


def our_samples(profile):
    """Per sample its values, labels and frames, without ids."""
    def function(number):
        return tuple(profile["functions"][number].items()) if number else ()

    locations = [None]
    for at in profile["locations"][1:]:
        module = profile["modules"][at["module"]] if at.get("module") else None
        lines = tuple((function(line.get("function")), line.get("line"), line.get("column"))
                      for line in at.get("lines", ()))
        locations.append((at.get("address"), module and tuple(module.items()), lines))
    parent, location = (profile["stacks"][key] for key in ("parent", "location"))
    # Equal stacks get equal numbers: a frame's content and the number of what is above it.
    numbers, known = [0], {}
    for node in range(1, len(parent)):
        numbers.append(known.setdefault((numbers[parent[node]], locations[location[node]]),
                                        len(known) + 1))
    samples = profile["samples"]
    labels = [json.dumps(label_set, sort_keys=True) for label_set in profile["label_sets"]]
    rows = zip([numbers[stack] for stack in samples["stack"]],
               [labels[number] for number in samples["label_set"]], *samples["values"])
    frames = {number: key for key, number in known.items()}
    return list(rows), frames


def same_samples(before, after):
    """The numbers of stacks are given in order of appearance, so they are mapped first."""
    (rows, frames), (again, frames_again) = our_samples(before), our_samples(after)
    if len(rows) != len(again):
        return False
    same = {0: 0}
    for (stack, *rest), (stack_again, *rest_again) in zip(rows, again):
        if rest != rest_again:
            return False
        a, b = stack, stack_again
        while a not in same:
            if b not in frames_again or frames[a][1] != frames_again[b][1]:
                return False
            same[a] = b
            a, b = frames[a][0], frames_again[b][0]
        if same[a] != b:
            return False
    return True


def collapsed_totals(tool, path, profile):
    """In our units, one per type."""
    sums = []
    for kind in profile["sample_types"]:
        option = f"{kind['type']}/{kind['unit']}"
        sums.append(sum(value for _, value in tool.collapsed(path, "-t", option)))
    return sums


def speedscope_totals(tool, path):
    document = json.loads(tool.run("convert", str(path), "--to", "speedscope", "-o", "-"))
    sums = []
    for profile in document["profiles"]:
        if profile["type"] != "sampled":
            raise ValueError(f"a {profile['type']} profile")
        if profile["endValue"] - profile["startValue"] != sum(profile["weights"]):
            raise ValueError("startValue to endValue is not the sum of the weights")
        if len(profile["weights"]) != len(profile["samples"]):
            raise ValueError("weights and samples differ in number")
        sums.append(sum(profile["weights"]))
    return sums


class Check:
    def __init__(self, tool, pprof, path, scratch):
        """Raises Refused when we do not read it."""
        self.ours = tool.profile(path)
        self.written = pathlib.Path(scratch) / "written.pb.gz"
        tool.run("convert", str(path), "-o", str(self.written))
        gzip.decompress(self.written.read_bytes())
        self.again = tool.profile(self.written)
        self.same_samples = same_samples(self.ours, self.again)
        self.before = self.after = None
        try:
            self.before = pprof.raw(path)
        except pprof_raw.Rejected as error:
            self.rejected = str(error)
        try:
            self.after = pprof.raw(self.written)
        except pprof_raw.Rejected as error:
            self.rejected_after = str(error)
        self.totals = [sum(values) for values in self.ours["samples"]["values"]]
        self.collapsed = collapsed_totals(tool, path, self.ours)
        self.speedscope = speedscope_totals(tool, path) if any(self.totals) else self.totals

    def difference(self, parts):
        if self.after is None:
            if "unreadable" in parts:
                return None
            return f"pprof does not read what we wrote: {self.rejected_after}"
        if self.before is not None:
            found = first_difference(self.before, self.after, parts)
            if found:
                return found
        elif profcore_tool.totals(self.ours) != pprof_raw.totals(self.after):
            return f"pprof adds up to {pprof_raw.totals(self.after)}"
        if self.again["sample_types"] != self.ours["sample_types"] and "types" not in parts:
            return (f"our own types {self.ours['sample_types']} come back as "
                    f"{self.again['sample_types']}")
        if not self.same_samples and "samples" not in parts:
            return "our own samples come back different"
        if self.collapsed != self.totals and "collapsed" not in parts:
            return f"totals {self.totals}, as collapsed {self.collapsed}"
        if self.speedscope != self.totals and "speedscope" not in parts:
            return f"totals {self.totals}, as speedscope {self.speedscope}"
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profcore", required=True, type=pathlib.Path)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    args.data = profcore_tool.sample_folder(args.data)
    files = args.files
    if not files:
        if not args.data.is_dir():
            skip(f"no sample files in {args.data}")
        files = sorted(path for folder in ("pprof", "collapsed")
                       for path in (args.data / folder).rglob("*")
                       if path.is_file() and path.suffix not in (".string", ".md"))
    if not files:
        skip("no file to convert")
    tool = profcore_tool.Profcore(args.profcore)
    rules = profcore_tool.load_rules(HERE / "roundtrip_differences.txt")
    try:
        pprof = pprof_raw.Pprof()
    except FileNotFoundError as error:
        skip(error)
    counts = collections.Counter()
    with pprof, tempfile.TemporaryDirectory(prefix="roundtrip-") as scratch:
        for path in files:
            parts = [part for pattern, part, _ in rules if fnmatch.fnmatch(path.name, pattern)]
            try:
                check = Check(tool, pprof, path.resolve(), scratch)
            except profcore_tool.Refused:
                counts["refused"] += 1  # compare_tool.py and compare_inferno.py judge these
                continue
            found = check.difference(parts)
            needless = [part for part in parts
                        if check.difference([other for other in parts if other != part]) is None]
            if found is None and needless:
                found = f"recorded differences that are none: {', '.join(needless)}"
            verdict = "differs" if found else "recorded" if parts else "equal"
            counts[verdict] += 1
            print(f"{verdict:8} {path.name}: {(found or ', '.join(parts))[:600]}")
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
