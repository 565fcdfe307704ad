"""Running the decoders in turn, and what they must agree on."""

import os
import re
import subprocess
import sys
import time
from collections import namedtuple

from runner import jfr
from runner.decoders import Run

# runs[input name][decoder name] = one list of runs per round; counts[input name][decoder name] =
# {event type: (events, frames)} of those that print it.
Results = namedtuple("Results", "runs counts failed")


def run_whole(decoder, path, scratch):
    """A program that draws a graph: timed from outside, its total read back from the picture."""
    argv = [str(path) if part == "{}" else part for part in decoder.argv]
    with scratch.open("wb") as sink:
        start = time.perf_counter()
        child = subprocess.Popen(argv, stdout=sink, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"exit status {child.returncode}")
    picture = scratch.read_text(errors="replace")
    found = re.search(r"<title>all \(([\d,]+) samples, 100%\)</title>", picture)
    if not found:
        raise RuntimeError("no total in its picture")
    return [Run(seconds, usage.ru_maxrss, None, int(found[1].replace(",", "")),
                usage.ru_utime + usage.ru_stime)]


def call(decoder, path, runs):
    argv = [part for part in decoder.argv if part != "{}"]
    argv[1:1] = [str(path), str(runs)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        why = (done.stderr.strip() or "no message").splitlines()[-1]
        raise RuntimeError(f"exit status {done.returncode}: {why}")
    return done.stdout.splitlines()


def run_decoder(decoder, path, runs):
    def number(text):
        return None if decoder.limit or text == "-" else int(text)

    measured = []
    for line in call(decoder, path, runs):
        _, _, seconds, rss, samples, checksum, *cpu = line.split("\t")
        measured.append(Run(float(seconds), int(rss), number(samples), number(checksum),
                            float(cpu[0]) if cpu else None))
    if not measured:
        raise RuntimeError("printed no measurement")
    return measured


def measure(args, inputs):
    results = Results({}, {}, [])
    scratch = args.bench_dir / "data" / "picture.svg"
    for entry in inputs:
        chosen = [d for d in entry.decoders if re.search(args.only, f"{entry.name}/{d.name}")]
        table = results.runs.setdefault(entry.name, {})
        counted = results.counts.setdefault(entry.name, {})
        for number in range(args.rounds):
            for decoder in list(chosen):
                print(f"\r\033[K{entry.name}: round {number + 1}, {decoder.name}" if
                      sys.stderr.isatty() else "", end="", file=sys.stderr, flush=True)
                count = min(entry.runs or args.runs, decoder.most or sys.maxsize)
                try:
                    runs = (run_whole(decoder, entry.path, scratch) if decoder.whole else
                            run_decoder(decoder, entry.path, count))
                    table.setdefault(decoder.name, []).append(runs)
                except (RuntimeError, OSError, ValueError) as error:
                    results.failed.append((entry, f"{entry.name}: {decoder.name}: {error}"))
                    chosen.remove(decoder)
        if entry.kind == "jfr" and not args.no_counts:
            for decoder in chosen:
                try:
                    counted[decoder.name] = jfr.parse_counts(call(decoder, entry.path, 0))
                except (RuntimeError, OSError, ValueError) as error:
                    results.failed.append((entry, f"{entry.name}: {decoder.name}: {error}"))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    scratch.unlink(missing_ok=True)
    return results


def disagreements(inputs, results):
    found = []
    for entry in inputs:
        sums, counts = {}, {}
        for name, rounds in results.runs[entry.name].items():
            for run in (run for runs in rounds for run in runs):
                if run.checksum is not None:
                    sums.setdefault(run.checksum, set()).add(name)
                if run.samples is not None and entry.kind != "collapsed":  # equal lines may share a row
                    counts.setdefault(run.samples, set()).add(name)
        for what, values in (("sum", sums), ("number of samples", counts)):
            if len(values) > 1:
                parts = "; ".join(f"{v}: {', '.join(sorted(n))}" for v, n in values.items())
                found.append((entry, f"{entry.name}: the {what} differs: {parts}"))
        if entry.kind == "jfr":
            found += [(entry, f"{entry.name}: {what}") for what in jfr.disagreements(
                results.runs[entry.name], results.counts[entry.name])]
    return found


def split_known(problems):
    """Those that nobody has explained, and those that the input's own list explains."""
    unknown, known = [], []
    for entry, problem in problems:
        why = next((why for pattern, why in entry.known.items() if re.search(pattern, problem)), None)
        if why is None:
            unknown.append(problem)
        else:
            known.append(f"{problem} ({why})")
    return unknown, known
