#!/usr/bin/env python3
"""Recordings made by async-profiler itself are read completely, and say what the program did.
Usage: async_profiler.py VERSION PROFCORE CACHE [CASE...]
"""

import collections
import re
import subprocess
import sys

import fetch
import peer_run
from peer_run import Failure, Skip, expect, expect_measured, near, needs

SECONDS = 1.5
CPU = "event=cpu,interval=2ms"
SCALE = {"ms": 1_000_000, "us": 1000}
# What its reader calls them, and we. Monitors and parks are one class of event there.
COLUMNS = {"AllocationSample": "alloc_space", "LiveObject": "inuse_space", "MallocEvent": "malloc_space",
           "ContendedLock": "mutex_delay", "MethodTrace": "method_time", "NativeLockEvent": "native_lock_delay"}
NO_PERF = ("No access to perf events", "perf_event", "Perf events")


class AsyncPeers(peer_run.Peers):
    def __init__(self, version, tool, cache, folder):
        super().__init__(tool, cache, folder)
        self.version = tuple(int(part) for part in version.split("."))
        jar = fetch.jar(f"async-profiler {version}", self.cache)
        self.agent = fetch.unpack(jar, fetch.AGENT, self.cache)

    def record(self, options, parts, seconds=SECONDS):
        """(path, facts, profile); all events are the JDK's reader's."""
        path = self.folder / "recorded.jfr"
        path.unlink(missing_ok=True)
        facts = self.load(seconds, parts, f"-agentpath:{self.agent}=start,{options},jfr,file={path}")
        if not path.exists():
            if any(text in self.output for text in NO_PERF):
                raise Skip(f"perf events: {self.output.strip()[:200]}")
            raise Failure(f"no recording: {self.output[-1000:]}")
        return path, facts

    def read(self, options, parts, seconds=SECONDS, frames=0):
        path, facts = self.record(options, parts, seconds)
        self.events = self.check_events(path, frames)
        profile = self.profile(path)
        self.compare_with_its_reader(path, profile, options)
        self.run("flame", path, "-o", self.folder / "flame.html")
        return facts, profile

    def its_reading(self, path, options):
        """{our column: {(thread, innermost frame): [events, what they weigh]}} by async-profiler's own reader."""
        jar = fetch.jar("jfr-converter", self.cache)
        class_path = f"{jar}:{self.classes('AsyncReader', jar)}"
        done = subprocess.run([needs("java"), "-XX:-UsePerfData", "-cp", class_path, "AsyncReader", path],
                              capture_output=True, text=True, timeout=120, check=False)
        expect(done.returncode == 0, f"its own reader fails: {done.stderr[:500]}")
        intervals = {name: int(number) * SCALE[unit]
                     for name, number, unit in re.findall(r"\b(interval|wall)=(\d+)(ms|us)", options)}
        found = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
        for line in done.stdout.splitlines():
            kind, count, weight, thread, frame = line.split("\t")
            column, period = COLUMNS.get(kind), 1
            if kind.startswith("ExecutionSample"):
                by_wall = "event=wall" in options or ("wall" in intervals and not kind.endswith("STATE_DEFAULT"))
                column = "wall" if by_wall else "cpu"
                period = intervals["wall" if by_wall and "wall" in intervals else "interval"]
            if column:
                entry = found[column][thread, frame.replace("/", ".")]
                entry[0] += int(count)
                entry[1] += int(weight) * period
        return found

    def compare_with_its_reader(self, path, profile, options):
        """Every sample has its thread, its innermost frame and its weight."""
        its = self.its_reading(path, options)
        for column in {"cpu", "wall", *COLUMNS.values()}:
            ours = {}
            for (thread, frame), entry in profile.by_frame(column, *(["park_delay"] if column == "mutex_delay" else [])).items():
                ours[thread, frame.replace("/", ".")] = entry
            # Since 4.3 a wall clock sample says how long it stands for; its converter counts intervals.
            slack = 0.5 if column == "wall" and self.version >= (4, 3) else 1e-6
            wrong = []
            for key in sorted(set(ours) | set(its[column])):
                (our_count, our_weight), (count, weight) = ours.get(key, (0, 0)), its[column].get(key, (0, 0))
                if our_count != count or abs(our_weight - weight) > slack * weight + count:
                    wrong.append(f"{key}: {our_count} weigh {our_weight}, its reader has {count} with {weight}")
            expect(not wrong, f"{column}: {len(wrong)} of {len(its[column])} differ: {wrong[:6]}")


def check_cpu(facts, profile, tolerance=0.25):
    """Time, by thread and by method, and stacks up to the thread's start."""
    expect(profile.units["cpu"] == "nanoseconds", "cpu is time")
    profile.check_whole("cpu")
    burner = profile.seconds("cpu", thread="burner")
    near(burner, facts.seconds("thread.burner.cpu"), tolerance, "CPU time of the burner")
    heavy = profile.seconds("cpu", "JvmLoad.heavy", thread="burner")
    light = profile.seconds("cpu", "JvmLoad.light", thread="burner")
    expected = facts["heavy_ns"] / (facts["heavy_ns"] + facts["light_ns"])
    expect_measured(heavy + light > 0.85 * burner, f"{heavy + light:.2f} s of {burner:.2f} in the burner's methods")
    expect_measured(abs(heavy / (heavy + light) - expected) < 0.1,
                    f"heavy has {heavy / (heavy + light):.1%} of the time, not {expected:.1%}")
    whole = profile.seconds("cpu", "JvmLoad.heavy", "java.lang.Thread.run")
    expect_measured(whole > 0.9 * heavy, f"{whole:.2f} s of {heavy:.2f} from the thread's start")
    deep = sum(stack.count("JvmLoad.heavy") == 21 for stack, labels, _ in profile.rows
               if "JvmLoad.heavy" in stack and labels.get("thread") == "burner")
    shallow = sum("JvmLoad.heavy" in stack for stack, labels, _ in profile.rows if labels.get("thread") == "burner")
    expect_measured(deep > 0.8 * shallow, f"{deep} of {shallow} stacks have all 21 calls of heavy")
    for name in ("sleeper", "parker"):
        expect_measured(profile.seconds("cpu", thread=name) < 0.05 * SECONDS, f"{name} used CPU time")


def check_wall(facts, profile, tolerance=0.25):
    profile.check_whole("wall")
    for name in ("sleeper", "parker", "burner"):
        near(profile.seconds("wall", thread=name), facts.seconds(f"thread.{name}.wall"), tolerance, f"wall time of {name}")
    states = {labels.get("state") for _, labels, _ in profile.rows}
    expect({"RUNNABLE", "SLEEPING"} <= states, f"states are {states}")
    asleep = profile.seconds("wall", "java.lang.Thread.sleep", thread="sleeper")
    expect_measured(asleep > 0.8 * profile.seconds("wall", thread="sleeper"), f"the sleeper sleeps {asleep:.2f} s")


def check_alloc(facts, profile, tolerance=0.25):
    profile.check_whole("alloc_space")
    near(profile.sum("alloc_space", thread="allocator"), facts["thread.allocator.allocated"], tolerance, "bytes of the allocator")
    arrays = profile.sum("alloc_space", thread="allocator", **{"class": "byte[]"})
    expect_measured(arrays > 0.9 * profile.sum("alloc_space", thread="allocator"), "it allocated byte[]")
    young = profile.sum("alloc_space", "JvmLoad.allocateYoung", thread="allocator")
    expect_measured(young > 0.8 * profile.sum("alloc_space", thread="allocator"), "it allocated in allocateYoung")


def check_live(facts, profile):
    ours = profile.sum("inuse_space", thread="allocator")
    expect_measured(ours > 0, "nothing of the allocator is alive")
    kept = profile.sum("inuse_space", "JvmLoad.keep", thread="allocator")
    expect_measured(kept > 0.8 * ours, f"{kept} of {ours} living bytes were kept")
    near(kept / max(1, profile.sum("inuse_objects", "JvmLoad.keep", thread="allocator")), 3016, 0.1, "bytes of a kept object")
    expect(facts["kept_objects"] > 0, "objects were kept")


def check_locks(facts, profile, tolerance=0.15):
    for kind in ("mutex_delay", "park_delay"):
        profile.check_whole(kind)
    for what, method, fact in (("mutex", "JvmLoad.enterMonitor", "monitor"), ("park", "JvmLoad.takeLock", "lock")):
        near(profile.seconds(what + "_delay", method, thread="waiter"), facts.seconds(fact), tolerance, f"time of {method}")
        count = what + ("_contentions" if what == "mutex" else "_count")
        near(profile.sum(count, method, thread="waiter"), facts[fact + "_waits"], 0.1, f"waits of {method}")
    parks = profile.types.index("park_count")
    classes = {labels.get("class") for stack, labels, values in profile.rows if values[parks] and "JvmLoad.takeLock" in stack}
    expect(classes == {"java.util.concurrent.locks.ReentrantLock$NonfairSync"}, f"locks are {classes}")


def check_native(facts, profile):
    for method, fact in (("JvmLoad.mallocLeaked", "leaked"), ("JvmLoad.mallocFreed", "freed")):
        near(profile.sum("malloc_space", method), facts[fact + "_bytes"], 0.02, f"bytes of {method}")
        near(profile.sum("malloc_objects", method), facts[fact + "_blocks"], 0.02, f"blocks of {method}")
    near(profile.sum("leak_space", "JvmLoad.mallocLeaked"), facts["leaked_bytes"], 0.02, "leaked bytes")
    expect_measured(profile.sum("leak_space", "JvmLoad.mallocFreed") <= 0.02 * facts["freed_bytes"], "what was freed is no leak")


def engine(options, tolerance=0.25):
    def case(peers):
        facts, profile = peers.read(options, ["cpu", "sleep"])
        check_cpu(facts, profile, tolerance)
        near(profile.seconds("cpu"), facts.seconds("process_cpu"), tolerance + 0.1, "CPU time of the process")
        expect(profile.types == ["cpu"], f"sample types {profile.types}")
    return case


def wall(peers):
    facts, profile = peers.read("event=wall,interval=10ms", ["cpu", "sleep"])
    check_wall(facts, profile)
    expect(profile.types == ["wall"], f"sample types {profile.types}")


def only(options, part, check):
    """One engine that is not for CPU time, over the part of the load that it sees."""
    def case(peers):
        check(*peers.read(options, [part]))
    return case


def together(peers):
    options = CPU + ",alloc=64k,lock=100us"
    parts = ["cpu", "sleep", "heap", "lock"]
    if peers.version >= (3,):
        options += ",wall=10ms"
    if peers.version >= (4,):
        options += ",live,nativemem=64k,trace=JvmLoad.enterMonitor,nativelock=1ms,proc=1"
    facts, profile = peers.read(options, parts, 2, frames=20)
    check_cpu(facts, profile)
    check_alloc(facts, profile)
    check_locks(facts, profile)
    if peers.version >= (3,):
        check_wall(facts, profile)
    if peers.version >= (4,):
        check_live(facts, profile)
        near(profile.sum("method_calls", "JvmLoad.enterMonitor"), facts["monitor_waits"], 0.1, "traced calls")
        near(profile.seconds("method_time", "JvmLoad.enterMonitor"), facts.seconds("monitor"), 0.15, "time of traced calls")
        expect(profile.sum("malloc_space") > 0, "no native memory")
        expect(peers.events.get("profiler.ProcessSample"), "no processes")


def jfrsync(peers):
    facts, profile = peers.read(CPU + ",alloc=64k,lock=100us,jfrsync=profile", ["cpu", "sleep", "heap", "lock", "io"])
    check_cpu(facts, profile)
    check_alloc(facts, profile)
    expect(peers.events.get("jdk.CPULoad"), "no events of the JDK")


def cases_of(version):
    cases = {"cpu": engine(CPU), "itimer": engine("event=itimer,interval=8ms", 0.6)}
    if version >= "3":
        cases["ctimer"] = engine("event=ctimer,interval=8ms")
    cases.update(wall=wall, alloc=only("alloc=64k", "heap", check_alloc), live=only("alloc=16k,live", "heap", check_live),
                 lock=only("lock=100us", "lock", check_locks))
    if version >= "4":
        cases["nativemem"] = only("nativemem=0", "native", check_native)
    cases.update(together=together, jfrsync=jfrsync)
    return cases


def main():
    version, tool, cache, *chosen = sys.argv[1:]
    cases = [(name, case) for name, case in cases_of(version).items() if not chosen or name in chosen]
    peer_run.run_cases(cases, lambda folder: AsyncPeers(version, tool, cache, folder))


if __name__ == "__main__":
    main()
