"""What the peers' tests share: a JVM under load, what it did, and our reading of what was recorded of it."""

import collections
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "live"), str(HERE.parent / "oracle")]
import compare_jfr_print  # noqa: E402
from harness import SKIP, Failure, Skip, Unlucky, attempt, expect, expect_measured, needs  # noqa: E402

ATTEMPTS = 5  # agents choose what they sample by chance

# No files in /tmp; all frames of a compiled method's callers.
JVM = ["-XX:-UsePerfData", "-Xmx600m", "-XX:+UnlockDiagnosticVMOptions", "-XX:+DebugNonSafepoints"]
CUT = "(cut)"
MAGIC = {"zstd": b"\x28\xb5\x2f\xfd", "lz4": b"\x04\x22\x4d\x18", "gzip": b"\x1f\x8b"}


class Facts(dict):
    """What the load says that it did; nothing of what was not asked for."""

    def __missing__(self, name):
        return 0

    def seconds(self, name):
        return self[name + "_ns"] / 1e9


class Peers:
    def __init__(self, tool, cache, folder):
        self.tool = tool
        self.cache = Path(cache).resolve()
        self.folder = Path(folder)

    def classes(self, source, *class_path):
        """The folder with the compiled class: compiled once per build folder."""
        folder = self.cache / "classes"
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / (source + ".class")
        class_path = [folder, *class_path]
        path = HERE / (source + ".java")
        with open(folder / "lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists() or made.stat().st_mtime < path.stat().st_mtime:
                subprocess.run([needs("javac"), "-nowarn", "-XDignore.symbol.file", "-cp", ":".join(map(str, class_path)),
                                "-d", folder, path], check=True, capture_output=True, timeout=120)
        return folder

    def load(self, seconds, parts, *options, program="JvmLoad", class_path=(), environment=None):
        """Runs JvmLoad, or a program that calls it; returns its facts."""
        facts = self.folder / "facts"
        facts.unlink(missing_ok=True)
        command = [needs("java"), *JVM, f"-Djava.io.tmpdir={self.folder}", *map(str, options),
                   "-cp", ":".join(map(str, [self.classes("JvmLoad"), *class_path])), program, facts, str(seconds), *parts]
        with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", cwd=self.folder,
                              env={**os.environ, **(environment or {})}) as process:
            try:
                self.output, _ = process.communicate(timeout=seconds + 45)
            except subprocess.TimeoutExpired as error:
                process.send_signal(signal.SIGQUIT)  # a JVM tells what its threads are at
                time.sleep(2)
                process.kill()
                text, _ = process.communicate()
                raise Unlucky(f"the load did not end: {text[-6000:]}") from error
        if process.returncode or not facts.exists():
            raise Failure(f"the load ended with {process.returncode}: {self.output[-1500:]}")
        found = Facts()
        for line in facts.read_text().splitlines():
            name, value = line.split()
            found[name] = int(value)
        return found

    # --- other readers

    def jdk_counts(self, path):
        """{type: events} by the JDK's RecordingFile."""
        done = subprocess.run([needs("java"), "-XX:-UsePerfData", "-cp", self.classes("RecordingReader"), "RecordingReader",
                               path], capture_output=True, text=True, timeout=120, check=False)
        expect(done.returncode == 0, f"the JDK does not read it: {done.stderr[:300]}")
        pairs = (line.split(" ", 1) for line in done.stdout.splitlines())
        return {name: int(count) for count, name in pairs}

    def plain(self, path):
        """As the JDK's reader wants it; inflated by others than us."""
        data = path.read_bytes()
        for program, magic in MAGIC.items():
            if data.startswith(magic):
                data = subprocess.run([needs(program), "-dc"], input=data, capture_output=True, check=True).stdout
        out = path.with_suffix(".plain.jfr")
        out.write_bytes(data)
        return out

    # --- ours

    def run(self, command, *words, allowed=(0,)):
        done = subprocess.run([self.tool, command, *map(str, words)], capture_output=True, text=True, errors="replace",
                              timeout=120, check=False)
        expect(done.returncode in allowed, f"profcore {command} ended with {done.returncode}: {done.stderr}")
        expect("warning" not in done.stderr, f"profcore {command} warns: {done.stderr}")
        return done.stdout

    def counts(self, path):
        """{type: events}, from the summary, which has to agree with the events that come out."""
        counts = {}
        for line in self.run("events", path, "-v").splitlines():
            found = re.match(r" +(\d+) +[\d.]+ \w+ +[\d.]+%  (\S+)$", line)
            if found:
                counts[found[2]] = int(found[1])
        given = {}
        for line in self.run("events", path, "--json", "--stack-depth", "0").splitlines():
            if line.startswith('{"type"'):
                name = json.loads(line.rstrip(","))["type"]
                given[name] = given.get(name, 0) + 1
        expect(given == counts, f"given out {given}, counted {counts}")
        return counts

    def check_events(self, path, frames=0):
        """The same events as the JDK's reader has; with `frames` the same value in every field, of stacks so many frames."""
        ours = self.counts(path)
        theirs = self.jdk_counts(path)
        expect(ours == theirs, f"events differ: {differing(ours, theirs)}")
        if frames:
            events, problems = compare_jfr_print.compare(self.tool, path, frames)
            expect(not problems, f"{len(problems)} of {events} events differ: {problems[:5]}")
        return ours

    def profile(self, path, *options):
        text = self.run("convert", path, "--to", "json", "-o", "-", "-v", *options)
        return Recorded(json.loads(text))


def differing(ours, theirs):
    return {name: (ours.get(name), theirs.get(name)) for name in set(ours) | set(theirs) if ours.get(name) != theirs.get(name)}


class Recorded:
    """A profile with its stacks as names, rootward first."""

    def __init__(self, profile):
        self.profile = profile
        self.types = [kind["type"] for kind in profile["sample_types"]]
        self.units = {kind["type"]: kind["unit"] for kind in profile["sample_types"]}
        expect(not profile["warnings"], f"warnings: {profile['warnings']}")
        names = [function and function["name"] for function in profile["functions"]]
        self.kinds = {}
        frames = [()]
        for location in profile["locations"][1:]:
            called = tuple(names[line["function"]] for line in reversed(location.get("lines", [])))
            frames.append(called or (CUT if location.get("reason") == "truncated" else "(no name)",))
            for name in called:
                self.kinds.setdefault(name, set()).add(location.get("kind"))
        stacks = [()]
        tree = profile["stacks"]
        for parent, location in list(zip(tree["parent"], tree["location"]))[1:]:
            stacks.append(stacks[parent] + frames[location])
        self.labels = [{label["key"]: label.get("text", label.get("number")) for label in labels}
                       for labels in profile["label_sets"]]
        samples = profile["samples"]
        self.rows = [(stacks[stack], self.labels[labels], values)
                     for stack, labels, *values in zip(samples["stack"], samples["label_set"], *samples["values"])]

    def sum(self, kind, *frames, **labels):
        """What the samples with these frames (a name ends so) and labels weigh."""
        if kind not in self.types:
            return 0
        column = self.types.index(kind)
        return sum(values[column] for stack, of, values in self.rows
                   if values[column] and all(any(name.endswith(frame) for name in stack) for frame in frames) and
                   all(of.get(key) == value for key, value in labels.items()))

    def seconds(self, kind, *frames, **labels):
        return self.sum(kind, *frames, **labels) / 1e9

    def by_frame(self, *kinds):
        """{(thread, innermost frame): [samples, what they weigh]}"""
        columns = [self.types.index(kind) for kind in kinds if kind in self.types]
        found = collections.defaultdict(lambda: [0, 0])
        for stack, labels, values in self.rows:
            for column in columns:
                if values[column]:
                    entry = found[labels.get("thread", ""), stack[-1] if stack else ""]
                    entry[0] += 1
                    entry[1] += values[column]
        return dict(found)

    def check_whole(self, kind, least=0.9):
        """Samples have a thread and a stack that someone can read."""
        column = self.types.index(kind)
        rows = [(stack, labels) for stack, labels, values in self.rows if values[column]]
        expect(rows, f"no samples of {kind}")
        named = sum("thread" in labels for _, labels in rows)
        expect(named >= least * len(rows), f"{kind}: {named} of {len(rows)} samples have a thread's name")
        unreadable = ("[unknown method", "(no name)")
        readable = sum(bool(stack) and not any(name.startswith(unreadable) for name in stack) for stack, _ in rows)
        expect(readable >= least * len(rows), f"{kind}: {readable} of {len(rows)} samples have a stack with names")


def near(value, expected, tolerance, what):
    """For measured values."""
    expect_measured(abs(value - expected) <= tolerance * expected,
                    f"{what}: {value:g}, expected {expected:g} within {tolerance:.0%}")


def run_cases(cases, make_peers):
    """Each on its own, in a folder of its own; ends the program."""
    passed, failed, left_out = 0, 0, []
    for name, case in cases:
        begin = time.monotonic()
        end = attempt(case, make_peers, attempts=ATTEMPTS, name=name)
        outcome = "ok" if end is None else f"left out: {end}" if isinstance(end, Skip) else f"FAILED: {end}"
        if isinstance(end, Skip):
            left_out.append(f"{name}: {end}")
        passed += outcome == "ok"
        failed += outcome.startswith("FAILED")
        print(f"{name}: {outcome}  ({time.monotonic() - begin:.1f} s)", flush=True)
    if failed or passed:
        sys.exit(1 if failed else 0)
    print(f"skipped: {'; '.join(left_out)}", file=sys.stderr)
    sys.exit(SKIP)
