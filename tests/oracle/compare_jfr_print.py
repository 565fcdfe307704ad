#!/usr/bin/env python3
"""The values of `profcore events --json` against those of the JDK's `jfr print --json`, field by field.

(a) A recording that a JVM program of ours (JfrWorkload.java) makes here, and (b) every recording of --data that the
JDK reads. Of each type the events are compared as a set (the JDK sorts them by their end): all values, at any depth,
with stacks, have to be equal; times then one by one. jfr_print_differences.txt says what may differ and why.
Usage: compare_jfr_print.py --profcore TOOL --work DIR [--data DIR] [FILE...]
"""

import argparse
import collections
import gzip
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TIME = re.compile(r"(-?\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:Z|([+-])(\d\d):(\d\d))\Z")
SPAN = re.compile(r"PT(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+)(?:\.(\d+))?S)?\Z")
NO_TIME = {"-999999999-01-01T00:00+18:00", "PT-2562047788015215H-30M-8S"}  # difference 1
FOR_EVER = 2**63 - 1
FRAMES = 300_000  # of a recording, about; then stacks are cut, for the JDK prints a kilobyte per frame
MOST_EVENTS = 8_000
LEFT_OUT = {"jmc--wls-medrec-jdk9.jfr": "the JDK reads 4323 of its 5149 events, and JMC all",
            "jmc--flush_incremental_metadata.jfr": "the JDK finds no thread for samples of its second chunk; their pool has it"}


class Ended(RuntimeError):
    """A program failed."""


class Number(float):
    """A float with the text it came from."""

    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number


def days_since_1970(year, month, day):
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def as_time(text):
    """Nanoseconds of a time or span, or None."""
    found = TIME.match(text)
    if found:
        year, month, day, hour, minute = (int(part) for part in found.groups()[:5])
        seconds = days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + int(found[6] or 0)
        if found[8]:  # the JDK prints the zone of the machine that recorded
            zone = int(found[9]) * 3600 + int(found[10]) * 60
            seconds += -zone if found[8] == "+" else zone
        return seconds * 10**9 + int((found[7] or "0").ljust(9, "0"))
    found = SPAN.match(text)
    if found and text != "PT":
        negative = "-" in text
        hours, minutes, seconds = (abs(int(part or 0)) for part in found.groups()[:3])
        total = ((hours * 60 + minutes) * 60 + seconds) * 10**9 + int((found[4] or "0").ljust(9, "0"))
        total = -total if negative else total
        return max(-FOR_EVER, min(FOR_EVER, total))  # difference 2
    return None


def normalise(value, times):
    """What can be compared as it is; times go to `times`."""
    if isinstance(value, dict):
        return {key: normalise(part, times) for key, part in value.items()}
    if isinstance(value, list):
        return [normalise(part, times) for part in value]
    if isinstance(value, str):
        if value in NO_TIME:
            return None
        time = as_time(value)
        if time is None:
            return re.sub("[\ud800-\udfff]", "\ufffd", value)  # difference 7
        times.append(time)
        return "a time"
    if isinstance(value, Number):
        digits = value.text.split("e")[0].split("E")[0].replace(".", "").strip("-0")
        if len(digits) > 10:
            return float(value)
        try:  # difference 3
            return struct.unpack("f", struct.pack("f", value))[0]
        except OverflowError:
            return float(value)
    return value


def collect(events):
    """{(type, values without times): sorted lists of times}"""
    found = collections.defaultdict(list)
    count = 0
    for event in events:
        times = []
        values = normalise(event["values"], times)
        found[event["type"], json.dumps(values, sort_keys=True)].append(times)
        count += 1
    for times in found.values():
        times.sort()
    return found, count


def run_to_lines(command):
    environment = dict(os.environ, TZ="UTC")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, encoding="utf-8",
                          errors="surrogateescape") as process:
        yield from process.stdout
    if process.returncode not in (0, 3):
        raise Ended(f"{' '.join(command[:2])} ended with {process.returncode}")


def load(text):
    return json.loads(text, parse_float=Number)


def jdk_events(path, depth):
    """One event at a time: files of hundreds of megabytes come out."""
    lines = []
    for line in run_to_lines(["jfr", "print", "--json", "--stack-depth", str(depth), str(path)]):
        bare = line.rstrip("\n")
        if bare == '    "events": [{':
            lines = ["{"]
        elif bare in ("    }, {", "    }]"):
            event = load("".join(lines) + "}")
            # The names that JDK 9 and 10 had for what is jdk.X since.
            event["type"] = re.sub(r"^com\.oracle\.jdk\.", "jdk.", event["type"])
            yield event
            lines = ["{"]
        else:
            lines.append(line)


def our_events(tool, path, depth):
    for line in run_to_lines([tool, "events", str(path), "--json", "-q", "--stack-depth", str(depth)]):
        if line.startswith('{"type"'):
            yield load(line.rstrip(",\n"))


def times_differ(ours, theirs):
    # Difference 4: the JDK's ticks go through a double.
    return any(abs(a - b) > 1 + abs(b) * 2**-50 for a, b in zip(ours, theirs)) or len(ours) != len(theirs)


def compare(tool, path, depth):
    special = special_fields(tool, path)

    def ours_of(event):
        for field, value in event["values"].items():
            change = special.get((event["type"], field))
            if change and isinstance(value, int):
                event["values"][field] = change(value)
        return event

    theirs, their_count = collect(ours_of(event) for event in jdk_events(path, depth))
    ours, our_count = collect(our_events(tool, path, depth))
    problems = []
    if our_count != their_count:
        problems.append(f"{our_count} events, the JDK has {their_count}")
    lone = collections.defaultdict(lambda: ([], []))
    shifted = {}
    for key in set(ours) | set(theirs):
        # Equal but for their times: in which order the JDK takes chunks does not matter.
        mine, other = sorted(ours.get(key, [])), sorted(theirs.get(key, []))
        for a, b in zip(mine, other):
            if times_differ(a, b):
                text = f"{key[0]}: times {a}, of the JDK {b}: {key[1][:200]}"
                moved = {x - y for x, y in zip(a, b) if times_differ([x], [y])}
                shifted.setdefault(round(min(moved), -5) if len(moved) == 1 else None, []).append(text)
        lone[key[0]][0].extend([key[1]] * (len(mine) - len(other)))
        lone[key[0]][1].extend([key[1]] * (len(other) - len(mine)))
    if None in shifted or len(shifted) >= chunk_count(tool, path):  # difference 10
        problems.extend(text for texts in shifted.values() for text in texts)
    for name, (mine, other) in sorted(lone.items()):
        for a, b in zip(sorted(mine), sorted(other)):
            problems.append(f"{name}: " + "; ".join(differences(json.loads(a), json.loads(b), "")))
        if len(mine) != len(other):
            problems.append(f"{name}: {len(mine)} events only here, {len(other)} only with the JDK")
    return our_count, problems


def differences(ours, theirs, path):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [line for key in sorted(set(ours) | set(theirs))
                for line in differences(ours.get(key, "(none)"), theirs.get(key, "(none)"), f"{path}.{key}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [line for i, (a, b) in enumerate(zip(ours, theirs)) for line in differences(a, b, f"{path}[{i}]")]
    return [] if ours == theirs else [f"{path[1:]} is {str(ours)[:200]}, of the JDK {str(theirs)[:200]}"]


def special_fields(tool, path):
    """{(type, field): function that makes ours of the JDK's number}, by our own list of fields."""
    special = {}
    bits = {"byte": 8, "short": 16, "int": 32, "long": 64}
    name = ""
    for line in run_to_lines([tool, "events", str(path), "--types", "-q"]):
        if line[0] != " ":
            name = line.split("  (")[0]
            continue
        found = re.match(r"    (\w+) +(unsigned )?(byte|short|int|long)\b *(.*)", line)
        if not found:
            continue
        field, unsigned, kind, unit = found.groups()
        if "bytes in bits" in unit:
            special[name, field] = lambda number: number // 8  # difference 6
        elif unsigned or unit.startswith("address"):
            special[name, field] = lambda number, modulus=2 ** bits[kind]: number % modulus  # difference 5
    return special


def summary_number(tool, path, name):
    done = subprocess.run([tool, "events", str(path), "-q"], capture_output=True, text=True, check=False)
    found = re.search(rf"^{name} +(\d+)", done.stdout, re.M)
    return int(found[1]) if found else 0


def event_count(tool, path):
    return summary_number(tool, path, "events")


def chunk_count(tool, path):
    return summary_number(tool, path, "chunks")


def depth_for(events):
    return max(1, min(64, FRAMES // max(1, events)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--profcore", required=True)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--most", type=int, default=MOST_EVENTS, help="leave larger recordings out (%(default)s events)")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    for program in ("java", "jfr"):
        if not shutil.which(program):
            print(f"skipped: {program} (a JDK) is missing", file=sys.stderr)
            sys.exit(77)
    options.work.mkdir(parents=True, exist_ok=True)
    sys.stdout.reconfigure(errors="backslashreplace")
    failed = 0

    def check(path, name, depth, jdk_must_read):
        nonlocal failed
        try:
            count, problems = compare(options.profcore, path, depth)
        except Ended as error:
            if not jdk_must_read and str(error).startswith("jfr "):
                print(f"left out  {name}: {error}", flush=True)
                return
            if not jdk_must_read and subprocess.run(["jfr", "summary", str(path)], capture_output=True, check=False).returncode:
                print(f"left out  {name}: neither reads it", flush=True)
                return
            count, problems = 0, [str(error)]
        print(f"{'FAILED' if problems else 'ok'}  {name}: {count} events, {depth} frames each", flush=True)
        for problem in problems[:8]:
            print(f"    {problem}")
        failed += bool(problems)

    if not options.files:
        made = options.work / "workload.jfr"
        made.unlink(missing_ok=True)
        subprocess.run(["java", "-XX:-UsePerfData", str(HERE / "JfrWorkload.java"), str(made)], check=True, timeout=120)
        check(made, "made here", 64, True)
    files = options.files
    if not files and options.data and options.data.is_dir():
        files = sorted(path for path in options.data.iterdir() if re.search(r"\.jfr(\.gz)?$", path.name))
    plain = options.work / "plain.jfr"
    for path in files:
        if not options.files and path.name in LEFT_OUT:
            print(f"left out  {path.name}: {LEFT_OUT[path.name]}", flush=True)
            continue
        data = path.read_bytes()
        plain.write_bytes(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
        events = event_count(options.profcore, plain)
        if not options.files and events > options.most:
            print(f"left out  {path.name}: {events} events take minutes as JSON; see --most", flush=True)
            continue
        check(plain, path.name, depth_for(events), False)
    plain.unlink(missing_ok=True)
    if not files:
        print("the recordings of ../shared are missing: only the one made here was compared")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
