"""JFR recordings: how they are made, who reads them, what the readers must agree on."""

import gzip
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from runner.decoders import Input, ours
from runner.inputs import make_file

BENCH = Path(__file__).resolve().parent.parent
WORKLOAD = BENCH / "recordings" / "Workload.java"
STORED = Path(os.environ.get("PROFCORE_TESTDATA") or BENCH.parents[2] / "shared" / "testdata")
JDK_NAME = "JFR, JDK"

# The events that become samples of a profile (lib/sources/decode/jfr/README.md).
MAPPED = {
    "jdk.ExecutionSample", "jdk.NativeMethodSample", "jdk.CPUTimeSample",
    "datadog.ExecutionSample", "datadog.MethodSample", "profiler.WallClockSample",
    "jdk.ObjectAllocationInNewTLAB", "jdk.ObjectAllocationOutsideTLAB",
    "jdk.ObjectAllocationSample", "datadog.ObjectSample", "profiler.LiveObject",
    "datadog.HeapLiveObject", "jdk.OldObjectSample", "profiler.Malloc", "jdk.GCPhasePause",
    "jdk.JavaMonitorEnter", "jdk.ThreadPark", "jdk.JavaMonitorWait", "profiler.NativeLock",
    "jdk.VirtualThreadPinned", "jdk.ThreadSleep", "jdk.JavaExceptionThrow", "jdk.JavaErrorThrow",
    "datadog.ExceptionSample", "jdk.FileRead", "jdk.FileWrite", "jdk.FileForce", "jdk.SocketRead",
    "jdk.SocketWrite", "jdk.MethodTrace", "datadog.NativeMemoryAllocation",
    "datadog.NativeSocketEvent",
}

# async-profiler's options and how long it records at scale 1.
ASYNC = {
    "cpu": ("event=cpu,interval=50us", 15),
    "alloc": ("event=alloc,alloc=1", 6),
    "multi": ("event=cpu,interval=200us,alloc=2k,lock=1us,wall=5ms", 8),
}

# Disagreements that are no fault of ours, as in decoders.Input.
KNOWN = {
    r"of (\*|jdk\.JavaExceptionThrow) differs: \d+: [^;]*ours[^;]*; \d+: JMC$":
        "it leaves out exceptions that are Errors, since those are JavaErrorThrow events too",
}


class Workload:
    """The program that is recorded, compiled once."""

    def __init__(self, args):
        self.data = args.bench_dir.resolve() / "data" / "jfr"
        self.classes = self.data / "classes"
        self.data.mkdir(parents=True, exist_ok=True)
        compiled = self.classes / "Workload.class"
        if not compiled.exists() or compiled.stat().st_mtime < WORKLOAD.stat().st_mtime:
            subprocess.run(["javac", "-d", str(self.classes), str(WORKLOAD)], check=True)

    def make(self, name, options, arguments):
        """Every recording differs from the last, so one run of the benchmark uses one of them."""
        scratch = self.data / "scratch"
        scratch.mkdir(exist_ok=True)
        path = self.data / name
        java = [Path(shutil.which("java")), "-XX:-UsePerfData", "-Xmx512m",
                f"-Djava.io.tmpdir={scratch}"]
        try:
            return make_file(path, [*java, *options(path, scratch), "-cp", self.classes,
                                    "Workload", *arguments(path)], [WORKLOAD])
        finally:
            shutil.rmtree(scratch)

    def jdk(self, megabytes):
        # Threads allocate from small buffers, so that every few objects make an event.
        return self.make(
            f"jdk_{megabytes}.jfr",
            lambda _, scratch: ["-XX:TLABSize=32k", "-XX:-ResizeTLAB",
                                f"-XX:FlightRecorderOptions=maxchunksize=12m,repository={scratch}"],
            lambda path: ["jdk", megabytes, path])

    def async_profiler(self, name, library, options, seconds):
        return self.make(f"ap_{name}_{seconds}.jfr",
                         lambda path, _: [f"-agentpath:{library}=start,{options},jfr,file={path}"],
                         lambda _: ["run", seconds])


def unpacked(path, data):
    raw = data / path.name.removesuffix(".gz")
    if not raw.exists() or raw.stat().st_mtime < path.stat().st_mtime:
        with gzip.open(path) as source, raw.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
    return raw


def recordings(args, peers):
    """(name, path) of all there are here."""
    found = []
    data = args.bench_dir.resolve() / "data" / "jfr"
    data.mkdir(parents=True, exist_ok=True)
    if shutil.which("javac") and shutil.which("java"):
        workload = Workload(args)
        found.append((JDK_NAME, workload.jdk(max(2, int(120 * args.scale)))))
        library = args.peers.resolve() / "async-profiler" / "libasyncProfiler.so"
        if library.exists():
            for name, (options, seconds) in ASYNC.items():
                found.append((f"JFR, async-profiler {name}", workload.async_profiler(
                    name, library, options, max(2, int(seconds * args.scale)))))
        else:
            peers.missing["recordings of async-profiler"] = f"no {library}"
    else:
        peers.missing["recordings made here"] = "no java or no javac"
    samples = sorted((STORED / "jfr").glob("own--*.jfr.gz"))
    if not samples:
        peers.missing["stored recordings"] = f"none in {STORED}; PROFCORE_TESTDATA says where"
    for sample in samples:
        found.append((f"JFR, {sample.name.removesuffix('.jfr.gz')}", unpacked(sample, data)))
    return found


def inputs(args, peers):
    own = ours(args, "jfr")
    readers = (own + peers.fetched("jmc", "JMC", mode="load")
               + peers.fetched("recordingfile", "RecordingFile events", mode="events")
               + peers.fetched("recordingfile", "RecordingFile frames", mode="frames",
                               most=5)
               + peers.built("jfr_limits", limit=True))
    reference = own[0].name if own else "RecordingFile frames"
    entries = []
    for name, path in recordings(args, peers):
        size = path.stat().st_size
        # Time enough for a virtual machine to compile what it runs.
        runs = max(args.runs, min(15, 40_000_000 // size))
        entries.append(Input(name, "jfr", path, size, reference, readers, runs, KNOWN))
    return entries


def parse_counts(lines):
    """{event type: (events, frames)}; frames is None where the reader does not tell."""
    counts = {}
    if len(lines) != 1 or not lines[0].startswith("counts\t"):
        raise ValueError(f"{len(lines)} lines instead of one with its counts")
    for part in lines[0].split("\t")[1:]:
        name, _, numbers = part.rpartition("=")
        events, _, frames = numbers.partition("/")
        counts[name] = (int(events), None if frames == "-" else int(frames))
    return counts


def disagreements(runs, counts):
    """Every reader's events by type, and the frames of their stacks; and a profile's samples and
    frames (a reader that prints them besides) against those of the events it maps."""
    found = []
    everything = {"*"}.union(*counts.values())
    for which, what in enumerate(("events", "frames")):
        for event in sorted(everything):
            values = {}
            for name, of_type in counts.items():
                # Who lists types lists all of them; the scan of the headers knows no types.
                lists_types = len(of_type) > 1
                value = of_type.get(event, (0, 0) if lists_types else (None, None))[which]
                if value is not None:
                    values.setdefault(value, []).append(name)
            if len(values) > 1:
                parts = "; ".join(f"{v}: {', '.join(sorted(n))}" for v, n in values.items())
                found.append(f"the number of {what} of {event} differs: {parts}")
    for name, rounds in runs.items():
        if name not in counts:
            continue
        mapped = [numbers for event, numbers in counts[name].items() if event in MAPPED]
        said = {(run.samples, run.checksum) for of_round in rounds for run in of_round
                if run.samples is not None}
        expected = (sum(events for events, _ in mapped), sum(frames or 0 for _, frames in mapped))
        if said and said != {expected}:
            found.append(f"{name}: (samples, frames) are {sorted(said)}, but its events have {expected}")
    return found


def run_tool(tool, recording, picture, options):
    """Seconds, CPU seconds and peak KiB of one run."""
    start = time.perf_counter()
    child = subprocess.Popen([str(tool), "flame", str(recording), *options, "-o", str(picture)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0 or not picture.exists() or not picture.stat().st_size:
        raise RuntimeError(f"profcore flame: exit status {child.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def measure_tool(args, inputs):
    """The whole program on the large recording: CPU seconds and memory from file to picture, of its
    few CPU samples and of its many allocations."""
    entry = next((entry for entry in inputs if entry.name == JDK_NAME), None)
    if entry is None or not re.search(args.only, f"{entry.name}/profcore flame"):
        return {}, []
    if not args.tool.exists():
        print(f"missing: profcore flame: no {args.tool}", file=sys.stderr)
        return {}, []
    picture = args.bench_dir / "data" / "jfr" / "flame.html"
    measured = {}
    print(f"\nprofcore flame, {entry.name}, {entry.raw_bytes / 1e6:.1f} MB")
    for options in [], ["--type", "alloc_space"]:
        name = " ".join(["profcore flame", *options])
        picture.unlink(missing_ok=True)
        try:
            runs = [run_tool(args.tool, entry.path, picture, options)
                    for _ in range(args.rounds * 2)]
        except RuntimeError as error:
            return {}, [(entry, f"{entry.name}: {error}")]
        seconds, cpu, peak = zip(*runs)
        print(f"  {name:36} CPU {statistics.median(cpu):.2f} s ({min(cpu):.2f}-{max(cpu):.2f}), "
              f"{statistics.median(seconds):.2f} s, peak {max(peak) / 1024:.0f} MiB, "
              f"{picture.stat().st_size / 1e6:.1f} MB of HTML")
        measured[name] = [dict(zip(("seconds", "cpu", "rss"), run)) for run in runs]
    picture.unlink()
    return {entry.name: measured}, []
