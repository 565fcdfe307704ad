#!/usr/bin/env python3
"""Runs google/pprof on a file and reads back what it prints, for comparison with our own reading.

    tests/oracle/pprof_raw.py [--report raw|top|peek] FILE      the parsed report as JSON
    tests/oracle/pprof_raw.py --check FILE...                   one line per file, with its totals

pprof runs with a scratch home, without symbolizing and without looking for binaries, so that it
neither reaches for the network nor depends on the machine. What its reports do not keep (and a
comparison therefore cannot see) is in README.md.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


class Rejected(Exception):
    """pprof does not read the file; the message is its own."""


class Unparsed(Exception):
    """pprof printed something that this parser does not know."""


class Pprof:
    """One pprof executable and a scratch directory; use as a context manager."""

    def __init__(self, executable=None, timeout=120):
        self.executable = executable or self.find()
        self.timeout = timeout
        self._scratch = tempfile.TemporaryDirectory(prefix="pprof-oracle-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._scratch.cleanup()

    @staticmethod
    def find():
        """The path of the tool itself: `go tool` would want a home directory with its cache."""
        go = shutil.which("go")
        if go is None:
            raise FileNotFoundError("no go command, so no `go tool pprof`")
        done = subprocess.run([go, "tool", "-n", "pprof"], capture_output=True, text=True)
        # A bare -n neither builds nor keeps the tool where it is not shipped ready-made.
        path = done.stdout.strip()
        if done.returncode == 0 and not os.access(path, os.X_OK):
            subprocess.run([go, "tool", "pprof", "-h"], capture_output=True)
        if done.returncode != 0 or not os.access(path, os.X_OK):
            raise FileNotFoundError(f"no `go tool pprof`: {done.stderr.strip() or path}")
        return path

    def run(self, path, *options):
        scratch = self._scratch.name
        # Nothing of the caller's environment: PPROF_*, proxies and DEBUGINFOD_URLS stay out.
        env = {"HOME": scratch, "PPROF_TMPDIR": scratch, "PPROF_BINARY_PATH": scratch,
               "TMPDIR": scratch, "PATH": "/nonexistent", "TZ": "UTC"}
        done = subprocess.run([self.executable, "-symbolize=none", *options, str(Path(path).resolve())],
                              capture_output=True, env=env, cwd=scratch, timeout=self.timeout)
        errors = done.stderr.decode("utf-8", "surrogateescape").strip()
        if done.returncode != 0:
            # The stand-alone program puts its own name before what `go tool pprof` says.
            lines = [line.removeprefix("pprof: ") for line in errors.splitlines()]
            lines = [line for line in lines if line != "failed to fetch any source profiles"]
            message = lines[-1] if lines else f"exit status {done.returncode}"
            raise Rejected(message.replace(f"{Path(path).resolve()}: ", ""))
        return done.stdout.decode("utf-8", "surrogateescape")

    def raw(self, path):
        return parse_raw(self.run(path, "-raw"))

    def top(self, path, sample_index=None, unit=None):
        return parse_top(self.run(path, "-top", *self._exact(sample_index, unit)))

    def peek(self, path, pattern=".", sample_index=None, unit=None):
        try:
            return parse_peek(self.run(path, f"-peek={pattern}", *self._exact(sample_index, unit)))
        except Rejected as error:
            if "no matches found for regexp" in str(error):
                return []
            raise

    @staticmethod
    def _exact(sample_index, unit):
        options = ["-trim=false"]
        if sample_index is not None:
            options.append(f"-sample_index={sample_index}")
        if unit is not None:
            options.append(f"-unit={unit}")
        return options


HEADER = re.compile(r"(Comment|PeriodType|Period|Time|Duration|Doc): ?(.*)")
SAMPLE = re.compile(r"((?: +-?\d+)+): ((?:\d+ )*)")
LOCATION = re.compile(r" *(\d+): (0x[0-9a-f]+) (?:M=(\d+) )?(\[F\] )?(.*)", re.DOTALL)
LINE = re.compile(r"(.*):(-?\d+):(-?\d+) s=(-?\d+)(?:\((.*)\))?", re.DOTALL)
OLD_LINE = re.compile(r"(.*):(-?\d+) s=(-?\d+)(?:\((.*)\))?", re.DOTALL)
MAPPING = re.compile(
    r"(\d+): (0x[0-9a-f]+)/(0x[0-9a-f]+)/(0x[0-9a-f]+) (.*) (\S*) ((?:\[[A-Z]{2}\])*)", re.DOTALL)
FLAGS = {"[FN]": "functions", "[FL]": "filenames", "[LN]": "line_numbers", "[IN]": "inline_frames"}
INLINED = " " * 13
LABELS = " " * 16


def parse_raw(text):
    profile = {"comments": [], "period_type": None, "period": 0, "time": None, "duration": None,
               "doc": None, "sample_types": [], "default_sample_type": None, "samples": [],
               "locations": {}, "mappings": {}}
    # Split at "\n" alone: names may hold other characters that str.splitlines takes for line ends.
    lines = text.split("\n")
    at = _parse_header(lines, profile)
    at = _parse_sample_types(lines, at, profile)
    while at < len(lines) and lines[at] != "Locations":
        _parse_sample(lines[at], profile["samples"])
        at += 1
    at += 1
    last = None
    while at < len(lines) and lines[at] != "Mappings":
        last = _parse_location(lines[at], profile["locations"], last)
        at += 1
    for line in lines[at + 1:]:
        if line:
            _parse_mapping(line, profile["mappings"])
    return profile


def _parse_header(lines, profile):
    for at, line in enumerate(lines):
        if line == "Samples:":
            return at + 1
        found = HEADER.fullmatch(line)
        if found is None:
            if profile["comments"]:
                profile["comments"][-1] += "\n" + line
                continue
            raise Unparsed(f"header line {line!r}")
        key, value = found.groups()
        if key == "Comment":
            profile["comments"].append(value)
        elif key == "PeriodType":
            profile["period_type"] = value
        elif key == "Period":
            profile["period"] = int(value)
        else:
            profile[key.lower()] = value
    raise Unparsed("no samples")


def _parse_sample_types(lines, at, profile):
    """One line 'type/unit type/unit[dflt] '; types may hold spaces, so units must not."""
    for part in lines[at].split(" "):
        if not part:
            continue
        if part.endswith("[dflt]"):
            part = part[:-len("[dflt]")]
            profile["default_sample_type"] = len(profile["sample_types"])
        profile["sample_types"].append(part)
    return at + 1


def _parse_sample(line, samples):
    found = SAMPLE.fullmatch(line)
    if found and not line.startswith(LABELS + " " * 8):
        samples.append({"values": [int(v) for v in found[1].split()],
                        "locations": [int(v) for v in found[2].split()], "labels": []})
    elif not samples:
        raise Unparsed(f"sample line {line!r}")
    elif line.startswith(LABELS):
        samples[-1]["labels"].append(line[len(LABELS):])
    elif samples[-1]["labels"]:
        samples[-1]["labels"][-1] += "\n" + line
    else:
        raise Unparsed(f"sample line {line!r}")


def _parse_line(text):
    """'name file:line:column s=start(system name)'; "??" is a line without a function."""
    if text == "??":
        return None
    found = LINE.fullmatch(text)
    if found:
        named, line, column, start, system = found.groups()
    else:
        found = OLD_LINE.fullmatch(text)
        if found is None:
            return {"text": text}
        (named, line, start, system), column = found.groups(), 0
    name, _, file = named.rpartition(" ")
    # Name and file both may hold spaces, so `text` is what can be compared exactly.
    return {"text": named, "name": name, "file": file, "line": int(line), "column": int(column),
            "start_line": int(start), "system_name": name if system is None else system}


def _parse_location(line, locations, last):
    if line.startswith(INLINED) and last is not None:
        last["lines"].append(_parse_line(line[len(INLINED):]))
        return last
    found = LOCATION.fullmatch(line)
    if found is None:
        if last is None or not last["lines"]:
            raise Unparsed(f"location line {line!r}")
        # A name with a line end in it: put the two parts together and read them again.
        before = last["lines"].pop()
        last["lines"].append(_parse_line((before or {"text": "??"})["text"] + "\n" + line))
        return last
    number, address, mapping, folded, rest = found.groups()
    location = {"address": int(address, 16), "mapping": int(mapping) if mapping else None,
                "folded": folded is not None, "lines": [_parse_line(rest)] if rest else []}
    locations[int(number)] = location
    return location


def _parse_mapping(line, mappings):
    found = MAPPING.fullmatch(line)
    if found is None:
        raise Unparsed(f"mapping line {line!r}")
    number, start, limit, offset, file, build_id, flags = found.groups()
    mappings[int(number)] = {
        "start": int(start, 16), "limit": int(limit, 16), "offset": int(offset, 16), "file": file,
        "build_id": build_id, "has": [FLAGS[f] for f in re.findall(r"\[[A-Z]{2}\]", flags)]}


NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?)([^\s%]*)"
SHARE = r"(?:-?[\d.]+(?:e[+-]?\d+)?%|NaN%|[+-]Inf%)"
TOP_ROW = re.compile(rf" *{NUMBER} +{SHARE} +{SHARE} +{NUMBER} +{SHARE}  (.*)")
PEEK_SELF = re.compile(rf" *{NUMBER} +{SHARE} +{SHARE} +{NUMBER} +{SHARE} +\| (\S.*|)")
LIKE_A_ROW = re.compile(rf" *{NUMBER} +\S+%")
PEEK_OTHER = re.compile(rf" *{NUMBER} +{SHARE} \|   (.*)")


def _value(text):
    return float(text) if any(c in text for c in ".e") else int(text)


def parse_top(text):
    """Rows in pprof's order; with -unit at the profile's own unit the values are exact."""
    head, rows = [], None
    for line in text.split("\n"):
        if rows is None:
            if line.split() == ["flat", "flat%", "sum%", "cum", "cum%"]:
                rows = []
            else:
                head.append(line)
        elif line:
            found = TOP_ROW.fullmatch(line)
            if found is None:
                if not rows or LIKE_A_ROW.match(line):
                    raise Unparsed(f"top row {line!r}")
                rows[-1]["name"] += "\n" + line  # a name with a line end in it
                continue
            flat, unit, cum, cum_unit, name = found.groups()
            inline = re.search(r" \((partial-)?inline\)$", name)
            rows.append({"name": name[:inline.start()] if inline else name, "flat": _value(flat),
                         "cum": _value(cum), "unit": unit or cum_unit,
                         "inline": (inline[1] or "") + "inline" if inline else None})
    if rows is None:
        raise Unparsed("no table")
    return {"head": head, "rows": rows}


def parse_peek(text):
    """name -> flat, cum, callers and callees as [name, value]; a name may come more than once."""
    entries, callers, current = [], [], None
    for line in text.split("\n"):
        if line.startswith("-----"):
            callers, current = [], None
            continue
        mine, other = PEEK_SELF.fullmatch(line), PEEK_OTHER.fullmatch(line)
        if mine:
            current = {"name": mine[5], "flat": _value(mine[1]), "cum": _value(mine[3]),
                       "unit": mine[2] or mine[4], "callers": callers, "callees": []}
            entries.append(current)
        elif other:
            (callers if current is None else current["callees"]).append([other[3], _value(other[1])])
        elif LIKE_A_ROW.match(line):
            raise Unparsed(f"peek row {line!r}")
        elif current is not None and line:  # a name with a line end in it
            if current["callees"]:
                current["callees"][-1][0] += "\n" + line
            else:
                current["name"] += "\n" + line
        elif callers:
            callers[-1][0] += "\n" + line
    return entries


def totals(profile):
    return [sum(sample["values"][i] for sample in profile["samples"])
            for i in range(len(profile["sample_types"]))]


def check(pprof, paths):
    """Every sample, location and mapping of each file parsed, nothing dangling, tops add up."""
    bad = 0
    for path in paths:
        name = Path(path).name
        try:
            profile = pprof.raw(path)
            problem = find_problem(pprof, path, profile)
        except Rejected as error:
            print(f"reject  {name}: {error}")
            continue
        except (Unparsed, subprocess.TimeoutExpired) as error:
            problem = str(error)
        if problem:
            bad += 1
            print(f"BAD     {name}: {problem}")
        else:
            parts = " ".join(f"{t}={v}" for t, v in zip(profile["sample_types"], totals(profile)))
            print(f"ok      {name}: {len(profile['samples'])} samples, "
                  f"{len(profile['locations'])} locations, {len(profile['mappings'])} mappings, "
                  f"{parts}")
    return 1 if bad else 0


def find_problem(pprof, path, profile):
    for sample in profile["samples"]:
        if len(sample["values"]) != len(profile["sample_types"]):
            return f"{len(sample['values'])} values for {len(profile['sample_types'])} types"
        if any(number not in profile["locations"] for number in sample["locations"]):
            return "a sample with an unknown location"
    for location in profile["locations"].values():
        if location["mapping"] is not None and location["mapping"] not in profile["mappings"]:
            return "a location with an unknown mapping"
        if any(line is not None and "name" not in line for line in location["lines"]):
            return "a line that was not understood"
    if not profile["samples"]:
        return None
    index = profile["default_sample_type"]
    index = len(profile["sample_types"]) - 1 if index is None else index
    unit = profile["sample_types"][index].rpartition("/")[2]
    try:
        top = pprof.top(path, index, unit)
        peek = pprof.peek(path, ".", index, unit)
    except Rejected as error:
        return f"reads it raw but not as a table: {error}"
    # Samples without a stack are in no row.
    wanted = sum(sample["values"][index] for sample in profile["samples"] if sample["locations"])
    flat = sum(row["flat"] for row in top["rows"])
    if flat != wanted:
        return f"flat column adds up to {flat}, samples to {wanted}"
    if sum(entry["flat"] for entry in peek) != flat:
        return f"peek adds up to {sum(entry['flat'] for entry in peek)}, top to {flat}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pprof", help="another pprof executable than `go tool pprof`")
    parser.add_argument("--report", choices=["raw", "top", "peek"], default="raw")
    parser.add_argument("--sample-index", help="for top and peek: a type's name or number")
    parser.add_argument("--unit", help="for top and peek: print values in this unit")
    parser.add_argument("--check", action="store_true", help="parse all files and add them up")
    parser.add_argument("files", nargs="+", metavar="FILE")
    args = parser.parse_args()
    try:
        pprof = Pprof(args.pprof)
    except FileNotFoundError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return 77
    with pprof:
        if args.check:
            return check(pprof, args.files)
        if len(args.files) != 1:
            parser.error("one file at a time, or --check")
        options = [] if args.report == "raw" else [args.sample_index, args.unit]
        if args.report == "peek":
            options.insert(0, ".")
        try:
            result = getattr(pprof, args.report)(args.files[0], *options)
        except (Rejected, Unparsed) as error:
            print(error, file=sys.stderr)
            return 1
        json.dump(result, sys.stdout, indent=1)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
