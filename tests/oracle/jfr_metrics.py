#!/usr/bin/env python3
"""Metrics of real recordings against the same figures added up here from their events.

The events are the JDK's own (`jfr print --json`), or, of recordings that it cannot read, those of `profcore events
--json`, which another test compares with the JDK's. What DataKit computes is written down here a second time, from
its definitions; of the corrected variant the sources that can be told from one kind of event.

usage: jfr_metrics.py PROFCORE DATA
"""
import gzip
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import datetime
from pathlib import Path

FILES = {
    "datakit--main.jfr": 20,  # metrics that must not be 0
    "jfr-parser--dd-trace-java.jfr.gz": 10,
    "own--jdk17_profile_8s.jfr.gz": 15,
    "own--ap_sync.jfr.gz": 20,
}
EVENTS = """jdk.JVMInformation datadog.ExecutionSample datadog.DatadogProfilerConfig datadog.ObjectSample
datadog.DirectAllocationTotal jdk.ClassLoaderStatistics jdk.Compilation jdk.ThreadContextSwitchRate
datadog.ExceptionSample jdk.FileRead jdk.FileWrite jdk.GarbageCollection jdk.GCPhasePause datadog.HeapLiveObject
datadog.HeapUsage jdk.JavaMonitorEnter jdk.ThreadStart datadog.DeadlockedThread jdk.SocketRead jdk.SocketWrite
jdk.ClassLoadingStatistics jdk.ExceptionStatistics jdk.GCHeapSummary jdk.ObjectAllocationSample
jdk.CPULoad jdk.CPUInformation""".split()


def nanoseconds(text):
    """ISO 8601: PT1H2M3.5S, a point in time, or a number."""
    if isinstance(text, (int, float)):
        return int(text)
    if text.startswith(("PT", "-PT")):
        parts = re.fullmatch(r"(-?)PT(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?[\d.]+)S)?", text)
        sign, hours, minutes, seconds = parts.groups()
        whole, _, fraction = (seconds or "0").partition(".")
        total = (int(hours or 0) * 3600 + int(minutes or 0) * 60 + abs(int(whole))) * 10**9
        total += int((fraction + "0" * 9)[:9])
        return -total if sign or whole.startswith("-") else total
    moment, fraction, zone = re.fullmatch(r"([^.Z+]+?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text).groups()
    seconds = datetime.fromisoformat(moment + zone.replace("Z", "+00:00")).timestamp()
    return int(seconds) * 10**9 + int(((fraction or "") + "0" * 9)[:9])


def read_events(profcore, recording):
    """{type: [values]}, or None when nobody can print them."""
    commands = [[profcore, "events", recording, "--json", "--type", ",".join(EVENTS)]]
    if shutil.which("jfr"):
        commands.insert(0, ["jfr", "print", "--json", "--stack-depth", "1", "--events", ",".join(EVENTS), recording])
    for command in commands:
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            continue
        try:
            printed = json.loads(done.stdout)
        except ValueError:
            continue
        events = defaultdict(list)
        for event in printed["recording"]["events"]:
            events[event["type"]].append(event["values"])
        return command[0], events
    return None, None


def datakit(events, start, end):
    length = end - start
    seconds = length / 1e9

    def numbers(name, field, convert=float):
        return [convert(e[field]) for e in events[name] if e.get(field) is not None]

    def times(name, field="duration"):
        return numbers(name, field, nanoseconds)

    def top(values):
        return max([0, *values])

    m = {}
    starts = [t for t in times("jdk.JVMInformation", "jvmStartTime") if t > 1577836800 * 10**9]
    if starts:
        m["uptime_nanoseconds"] = end - starts[0]
    intervals = [t for t in times("datadog.DatadogProfilerConfig", "cpuInterval") if t > 0]
    interval = intervals[0] if intervals else 10**7
    m["cpu_cores"] = sum(numbers("datadog.ExecutionSample", "weight")) * interval / length
    samples = events["datadog.ObjectSample"]
    m["alloc_bytes_total"] = math.fsum(e["size"] * e["weight"] for e in samples)
    m["alloc_bytes_per_sec"] = m["alloc_bytes_total"] / seconds
    m["allocs_per_sec"] = math.fsum(e["weight"] for e in samples) / seconds
    m["direct_alloc_bytes_per_sec"] = sum(numbers("datadog.DirectAllocationTotal", "allocated")) / seconds
    m["class_loads_per_sec"] = len(events["jdk.ClassLoaderStatistics"]) / seconds
    m["compilation_time"] = sum(times("jdk.Compilation"))
    rates = numbers("jdk.ThreadContextSwitchRate", "switchRate")
    m["context_switches_per_sec"] = sum(rates) / len(rates) if rates else 0
    m["throws_total"] = len(events["datadog.ExceptionSample"])
    m["throws_per_sec"] = m["throws_total"] / seconds
    for place, read, write in (("file", "jdk.FileRead", "jdk.FileWrite"), ("socket", "jdk.SocketRead", "jdk.SocketWrite")):
        for verb, event, field in (("read", read, "bytesRead"), ("write", write, "bytesWritten")):
            m[f"{place}_io_max_{verb}_time"] = top(times(event))
            m[f"{place}_io_{verb}_time"] = sum(times(event))
            m[f"{place}_io_max_{verb}_bytes"] = top(numbers(event, field))
            m[f"{place}_io_{verb}_bytes"] = sum(numbers(event, field))
    m["file_io_time"] = m["file_io_read_time"] + m["file_io_write_time"]
    collections = times("jdk.GarbageCollection")
    m["avg_gc_pause_time"] = sum(collections) / len(collections) if collections else 0
    pauses = times("jdk.GCPhasePause")
    m["max_gc_pause_time"] = top(pauses)
    m["gc_pause_time"] = sum(pauses)
    m["gc_pauses_per_sec"] = len(pauses) / seconds
    m["lifetime_heap_objects"] = len(events["datadog.HeapLiveObject"])
    usage = numbers("datadog.HeapUsage", "size")
    m["lifetime_heap_bytes"] = usage[0] if usage else 0
    waits = times("jdk.JavaMonitorEnter")
    m["locks_max_wait_time"] = top(waits)
    m["locks_per_sec"] = len(waits) / seconds
    m["threads_created_per_sec"] = len(events["jdk.ThreadStart"]) / seconds
    m["threads_deadlocked"] = len(events["datadog.DeadlockedThread"])
    return m


def corrected(events, seconds):
    m = {}

    def growth(event, field):
        points = sorted((nanoseconds(e["startTime"]), e[field]) for e in events[event])
        if len(points) < 2 or points[-1][0] == points[0][0]:
            return None, None
        gained = points[-1][1] - points[0][1]
        return gained, gained / ((points[-1][0] - points[0][0]) / 1e9)

    throws, rate = growth("jdk.ExceptionStatistics", "throwables")
    if throws is not None:
        m["throws_total"], m["throws_per_sec"] = throws, rate
    loads, rate = growth("jdk.ClassLoadingStatistics", "loadedClassCount")
    if loads is not None:
        m["class_loads_per_sec"] = rate
    after = [e["heapUsed"] for e in events["jdk.GCHeapSummary"] if e["when"] == "After GC"]
    if after and not events["datadog.HeapUsage"]:
        m["lifetime_heap_bytes"] = after[-1]
    weights = [e["weight"] for e in events["jdk.ObjectAllocationSample"]]
    if weights and not events["datadog.ObjectSample"]:
        m["alloc_bytes_total"] = sum(weights)
        m["alloc_bytes_per_sec"] = sum(weights) / seconds
    return m


def compare(name, expected, metrics, problems):
    ours = {metric["name"].removeprefix("prof_jvm_"): metric["value"] for metric in metrics}
    for key, value in expected.items():
        got = ours.get(key)
        # The JDK converts ticks by way of doubles: a nanosecond or so off per event.
        if got is None or not math.isclose(got, value, rel_tol=2e-6, abs_tol=1e-9):
            problems.append(f"{name}: {key} is {got}, expected {value}")
    return sum(1 for value in ours.values() if value)


def main():
    profcore, data = sys.argv[1], Path(sys.argv[2]) / "jfr"
    if not data.is_dir():
        print(f"no sample files in {data}", file=sys.stderr)
        return 77
    problems, compared = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for name, least in FILES.items():
            path = data / name
            if not path.exists():
                continue
            plain = Path(folder) / "in.jfr"
            plain.write_bytes(gzip.open(path).read() if name.endswith(".gz") else path.read_bytes())
            reports = {}
            for variant in ("datakit", "corrected"):
                done = subprocess.run(
                    [profcore, "metrics", str(plain), "--variant", variant, "--to", "json", "-q"],
                    capture_output=True, check=True)
                reports[variant] = json.loads(done.stdout)
            reader, events = read_events(profcore, str(plain))
            if events is None:
                print(f"{name}: nobody here prints its events")
                continue
            start, end = reports["datakit"]["start_ns"], reports["datakit"]["end_ns"]
            expected = datakit(events, start, end)
            filled = compare(name, expected, reports["datakit"]["metrics"], problems)
            right = corrected(events, (end - start) / 1e9)
            compare(f"{name} (corrected)", right, reports["corrected"]["metrics"], problems)
            if filled < least:
                problems.append(f"{name}: only {filled} metrics are not 0")
            print(f"{name}: {len(expected)} + {len(right)} metrics compared with {Path(reader).name}, {filled} not 0")
            compared += 1
    print("\n".join(problems))
    if not compared:
        print("no recording's events could be printed", file=sys.stderr)
        return 77
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
