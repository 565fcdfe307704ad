#!/usr/bin/env python3
"""What dd-java-agent uploads is read as it is sent, and says what the program did.
Usage: datadog.py PROFCORE CACHE [CASE...]
"""

import collections
import json
import re
import sys

import fetch
import peer_run
from peer_run import MAGIC, compare_jfr_print, expect, expect_measured, near
from upload_server import UploadServer

PARTS = ["cpu", "sleep", "heap", "lock", "direct", "io", "throw", "serve", "threads"]
# What each upload has to begin with, by what the agent is told.
WRAPPED = {"on": MAGIC["zstd"], "lz4": MAGIC["lz4"]}
PERIOD = 6  # seconds; of two uploads the first is `periodic`, with the agent's start in it, the other `on_shutdown`
# Metrics that a load like this must touch, but for deadlocks; context switches are counted every ten seconds.
ZERO = {"threads_deadlocked"}
SELDOM = {"context_switches_per_sec", "compilation_time"}
NOT_SENT = {"class_loads_per_sec"}  # DataKit's counts class loaders; what the right one wants the agent leaves out


class DatadogPeers(peer_run.Peers):
    def agent(self, url, compression, everything):
        switches = {
            "service": "load", "env": "test", "version": "1.2.3", "trace.agent.url": url, "trace.startup.logs": "false",
            "trace.methods": "JvmLoad[serve]", "instrumentation.telemetry.enabled": "false", "remote_config.enabled": "false",
            "profiling.enabled": "true", "profiling.url": url + "/profiling/v1/input", "profiling.upload.period": PERIOD,
            "profiling.upload.compression": compression, "profiling.start-delay": 0, "profiling.start-force-first": "true",
        }
        if everything:
            switches |= {
                "profiling.ddprof.alloc.enabled": "true", "profiling.ddprof.liveheap.enabled": "true",
                "profiling.ddprof.wall.context.filter": "false", "profiling.directallocation.enabled": "true",
                "profiling.experimental.ddprof.nativemem.enabled": "true",
                "profiling.experimental.ddprof.nativemem.interval": 16384,
                "profiling.experimental.ddprof.nativesocket.enabled": "true",
            }
        jar = fetch.jar("dd-java-agent", self.cache)
        return [f"-javaagent:{jar}", *(f"-Ddd.{name}={value}" for name, value in switches.items())]

    def uploads(self, compression, seconds, everything):
        """(facts, the files that were sent, what was said of each)"""
        with UploadServer("/profiling/") as server:
            facts = self.load(seconds, PARTS, *self.agent(server.url, compression, everything))
        expect(server.uploads, f"nothing was sent: {self.output[-500:]}")
        files, said = [], []
        for number, upload in enumerate(server.uploads):
            files.append(self.folder / f"upload{number}.jfr")
            files[-1].write_bytes(upload.parts["main"])
            said.append(json.loads(upload.parts["event"]))
        return facts, files, said

    def metrics(self, path, variant):
        report = json.loads(self.run("metrics", path, "--variant", variant, "--to", "json"))
        return {metric["name"].removeprefix("prof_jvm_"): metric["value"] for metric in report["metrics"]}, report


def read(peers, compression, seconds, everything):
    """Both uploads, their events checked: (facts, [(path, its events, its profile, what was said of it)])"""
    facts, files, said = peers.uploads(compression, seconds, everything)
    found = []
    for path, about in zip(files, said):
        expect(path.read_bytes().startswith(WRAPPED[compression]), f"{compression}: sent as {path.read_bytes()[:4]}")
        summary = peers.run("events", path)
        versions = re.search(r"^chunks +(\d+) \(version ([\d. and]+)\)", summary, re.M)
        expect(versions and int(versions[1]) >= 2 and versions[2] == "2.0 and 2.1", f"chunks of both: {summary[:200]}")
        plain = peers.plain(path)
        events = peers.check_events(plain, frames=0 if everything else 3)
        expect(peers.counts(path) == events, "wrapped and plain are the same")
        profile = peers.profile(path)
        expect({"java-profiler", "JDK Flight Recorder"} <=
               {found[1] for found in (re.match(r"recorded by: (JDK Flight Recorder|[\w-]+)", text)
                                       for text in profile.profile["meta"]["comments"]) if found}, "both recorders are told")
        expect(profile.profile["meta"].get("command", "").startswith("JvmLoad "), "the command is told")
        peers.run("flame", path, "-o", peers.folder / "flame.html")
        found.append((path, events, profile, about))
    return facts, found


def check_samples(peers, facts, uploads):
    def total(kind, *frames, **labels):
        return sum(profile.sum(kind, *frames, **labels) for _, _, profile, _ in uploads)

    heavy, light = total("cpu", "JvmLoad.heavy", thread="burner"), total("cpu", "JvmLoad.light", thread="burner")
    expect_measured(heavy and abs(heavy / (heavy + light) - 0.75) < 0.15, f"heavy has {heavy} of the burner, light {light}")
    for _, _, profile, _ in uploads:
        for kind in ("cpu", "wall", "alloc_space", "exceptions"):
            profile.check_whole(kind)
        expect(profile.profile["sample_types"][profile.profile["default_type"]]["type"] == "cpu", "cpu is the default")
    # The load lasts from about a second after the agent's start to the end.
    near(total("cpu", thread="burner") / 1e9, facts.seconds("thread.burner.cpu"), 0.35, "CPU time of the burner")
    # Its sampler changes the interval as it goes, and its weights are of another one then: seen 1.4 and 1.8 times too much.
    ratio = total("alloc_space", thread="allocator") / facts["thread.allocator.allocated"]
    expect_measured(0.4 < ratio < 2.5, f"bytes of the allocator: {ratio:.2f} of what it allocated")
    near(total("mutex_delay", "JvmLoad.enterMonitor", thread="waiter") / 1e9, facts.seconds("monitor"), 0.3, "time in monitors")
    near(total("exceptions", "JvmLoad.fail"), facts["thrown"], 0.3, "exceptions")
    near(total("file_write_bytes", thread="file writer"), facts["file_written"], 0.3, "bytes written")
    near(total("socket_write_bytes", thread="socket client"), facts["socket_written"], 0.3, "bytes sent")
    kept = total("inuse_space", "JvmLoad.keep", thread="allocator")
    expect_measured(kept > 0.25 * total("inuse_space", thread="allocator"), "what is alive was kept")
    check_wall(peers, uploads[-1])
    spans = {labels["span id"] for _, _, profile, _ in uploads for stack, labels, _ in profile.rows
             if labels.get("thread") == "server" and "span id" in labels}
    expect(len(spans) > 0.1 * facts["requests"], f"{len(spans)} spans of {facts['requests']} requests")
    operations = {labels.get("_dd.trace.operation") for _, _, profile, _ in uploads for _, labels, _ in profile.rows}
    expect("trace.annotation" in operations, f"operations of spans: {operations}")


def check_wall(peers, upload):
    """It samples 16 threads at a time, chosen by chance: of one thread nothing is sure, but all have what its epochs tell."""
    path, _, profile, _ = upload
    text = peers.run("events", path, "--json", "--type", "datadog.WallClockSamplingEpoch")
    epochs = [event["values"] for event in json.loads(text)["recording"]["events"]]
    expected = sum(compare_jfr_print.as_time(epoch["duration"]) / 1e9 * epoch["numSuccessfulSamples"] for epoch in epochs)
    near(profile.seconds("wall"), expected, 0.5, "wall time of all threads")


def check_metrics(peers, facts, uploads):
    filled = {}
    known = set()
    for path, events, profile, _ in uploads:
        metrics, report = peers.metrics(path, "datakit")
        for name, value in metrics.items():
            filled.setdefault(name, []).append(value)
        expect_measured(metrics["cpu_cores"] > 0.3 and metrics["cpu_cores"] < 4, f"cores: {metrics['cpu_cores']}")
        seconds = (report["end_ns"] - report["start_ns"]) / 1e9
        near(metrics["cpu_cores"] * seconds, profile.sum("cpu") / 1e9, 0.01, "cores by the samples")
        near(metrics["alloc_bytes_total"], profile.sum("alloc_space"), 0.01, "bytes by the samples")
        expect(metrics["throws_total"] == events["datadog.ExceptionSample"], "exceptions as DataKit counts them")
        expect(metrics["uptime_nanoseconds"] > 1e9, f"uptime {metrics['uptime_nanoseconds']}")
        corrected, _ = peers.metrics(path, "corrected")
        known |= {name for name, value in corrected.items() if value is not None}
    missing = set(filled) - known - NOT_SENT - SELDOM - ZERO
    expect_measured(not missing, f"corrected: no {missing}")
    empty = {name for name, values in filled.items() if not any(values)}
    expect_measured(empty <= ZERO | SELDOM, f"metrics that are zero: {empty - ZERO - SELDOM}")
    expect(not filled["threads_deadlocked"][0], "nothing is deadlocked")
    near(sum(filled["file_io_write_bytes"]), facts["file_written"], 0.3, "file_io_write_bytes")
    near(sum(filled["socket_io_write_bytes"]), facts["socket_written"], 0.3, "socket_io_write_bytes")
    expect_measured(0.01e9 < max(filled["locks_max_wait_time"]) < 10e9, f"longest wait {filled['locks_max_wait_time']}")


def check_native(peers, facts, uploads):
    """Events that only newer agents have, and are off unless asked for: which library's calls it sees depends on which was
    loaded first, so what counts is that its events come out as they are."""
    seen = collections.Counter()
    for path, events, profile, _ in uploads:
        expected = collections.Counter()
        present = {"datadog.NativeSocketEvent", "datadog.NativeMemoryAllocation"} & set(events)
        if not present:
            continue
        text = peers.run("events", path, "--json", "--stack-depth", "0", "--type", ",".join(sorted(present)))
        for event in json.loads(text)["recording"]["events"]:
            values = event["values"]
            if "size" in values:
                expected["malloc_space"] += values["weight"] * values["size"]
                continue
            kind = "native_socket_" + ("read" if values["operation"] in ("READ", "RECV") else "write")
            expected[kind + "_bytes"] += values["weight"] * values["bytesTransferred"]
            expected[kind + "_time"] += values["weight"] * compare_jfr_print.as_time(values["duration"])
        for kind, sum_of_events in expected.items():
            ours = profile.sum(kind)
            expect(abs(ours - sum_of_events) <= 1e-5 * sum_of_events + 1000, f"{kind}: {ours}, by its events {sum_of_events}")
        seen += expected
    expect_measured(seen["malloc_space"] > 0.5 * facts["direct_bytes"], f"{seen} of {facts['direct_bytes']} direct bytes")
    expect_measured(seen["native_socket_read_bytes"] + seen["native_socket_write_bytes"] > 0, "no native sockets")


def everything(peers):
    """Compressed as it is today, with all that it can record."""
    facts, uploads = read(peers, "on", PERIOD + 5, True)
    expect_measured(len(uploads) >= 2, f"{len(uploads)} uploads")
    snapshots = [re.search(r"snapshot:(\w+)", about["tags_profiler"])[1] for _, _, _, about in uploads]
    expect(snapshots[-1] == "on_shutdown", f"snapshots {snapshots}")
    check_samples(peers, facts, uploads)
    check_native(peers, facts, uploads)
    check_metrics(peers, facts, uploads)


def as_it_comes(peers):
    """Every value of what it sends unless told otherwise, but for the compression of some years ago."""
    facts, uploads = read(peers, "lz4", 2, False)
    cpu = sum(profile.seconds("cpu", thread="burner") for _, _, profile, _ in uploads)
    near(cpu, facts.seconds("thread.burner.cpu"), 0.5, "CPU time of the burner")


CASES = {"everything": everything, "as_it_comes": as_it_comes}


def main():
    tool, cache, *chosen = sys.argv[1:]
    cases = [(name, case) for name, case in CASES.items() if not chosen or name in chosen]
    peer_run.run_cases(cases, lambda folder: DatadogPeers(tool, cache, folder))


if __name__ == "__main__":
    main()
