#!/usr/bin/env python3
"""Records without privileges, by the perf ring, and with no more than BPF wants.

Usage: unprivileged.py CASE TOOL. Run by root, the recorder becomes the user nobody without any
capability; run by anybody else it stays what it is. Skipped (77) with the reason where not even that
user's own processes may be sampled; with PROFCORE_REQUIRE_BPF=1 that is a failure.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import languages
from harness import Failure, Live, Skip, cpu_time, expect, expect_measured, run_case, whole
from languages import FRAMES, Jvm, split

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
AS_NOBODY = [*NOBODY, "--inh-caps=-all", "--bounding-set=-all"]
WITH_BPF = [*NOBODY, *(f"--{kind}=-all,+bpf,+perfmon" for kind in ("inh-caps", "ambient-caps", "bounding-set"))]


def needs(live):
    done = subprocess.run([*live.prefix, live.tool, "check", "--json"], capture_output=True, text=True, check=True)
    return {need["need"]: need for need in json.loads(done.stdout)["recording"]}


def check_machine(live):
    events = needs(live)["perf events"]
    if not events["met"]:
        text = f"no perf events: {events['have']}"
        raise (Failure if os.environ.get("PROFCORE_REQUIRE_BPF") == "1" else Skip)(text)


def make_runnable(live):
    """The tool may lie where only root can read: then a copy of it is run."""
    if subprocess.run([*live.prefix, live.tool, "--version"], capture_output=True).returncode == 0:
        return
    copies = live.folder / "tool"
    copies.mkdir()
    for line in subprocess.run(["ldd", live.tool], capture_output=True, text=True).stdout.splitlines():
        if "libprofcore" in line:
            shutil.copy(line.split()[2], copies / line.split()[0])
    os.environ["LD_LIBRARY_PATH"] = str(copies)
    live.tool = shutil.copy(live.tool, copies)
    copies.chmod(0o755)


def by_perf(stats):
    expect("back end         perf ring: no BPF without " in stats["text"], f"by what and why? {stats['text']}")
    expect("by perf ring on" in stats["text"], f"the last line does not say by what: {stats['text']}")


def share_of(stacks, *names):
    return sum(v for s, v in stacks.items() if all(n in s.split(";") for n in names)) / sum(stacks.values())


def check_heavy(stats, stacks, least):
    """Three quarters within `least`, or three standard deviations of a busy machine's few samples."""
    heavy, light = share_of(stacks, "heavy"), share_of(stacks, "light")
    allowed = max(least, 3 * (0.75 * 0.25 / stats["taken"]) ** 0.5)
    print(f"heavy {heavy:.3f}, light {light:.3f}, of {stats['taken']} samples")
    expect_measured(abs(heavy / (heavy + light) - 0.75) < allowed,
                    f"heavy is {heavy:.3f}, light {light:.3f}, not +-{allowed}")


def shares(live):
    """Known shares of functions and threads, complete stacks, nothing lost."""
    program = live.compile("shares.c")
    stats, stacks = live.record("--per-thread", "-F", 997, command=[program, 2])  # CPU seconds of two threads
    by_perf(stats)
    expect_measured(0.9 * 4 * 997 < stats["taken"] < 1.05 * 4 * 997, f"{stats['taken']} samples in four seconds of CPU time")
    whole(stats, 0.99)
    expect_measured(stats["lost"] <= stats["taken"] * 0.01, f"samples were lost: {stats['text']}")
    check_heavy(stats, stacks, 0.02)
    expect_measured(0.4 < share_of(stacks, "main") < 0.6, f"the first thread has {share_of(stacks, 'main'):.3f} of the work")
    deep = [s for s in stacks if "heavy" in s.split(";")]
    expect_measured(all(s.split(";").count("level") == 9 for s in deep), f"not nine levels: {deep[:2]}")
    expect(not any("[kernel.kallsyms]" in s for s in stacks), "kernel frames, of which nothing can be known")


def threads(live):
    """A running process: threads that it has, and those that it starts, by their CPU time."""
    program = live.compile("threads.c")
    user = AS_NOBODY if live.prefix else []
    target = subprocess.Popen([*user, program, "1.5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    time.sleep(0.3)
    out = live.folder / "threads.pb.gz"
    recording = subprocess.Popen([*live.prefix, live.tool, "record", "-p", str(target.pid), "--per-thread", "-F", "499",
                                  "--stats", "-o", out], stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    told = target.communicate("go\n")[0]
    stats = live.stats(recording.communicate(timeout=30)[1])
    whole(stats, 0.99)
    for line in told.splitlines():
        name, used = line.split()
        sampled = sum(live.stacks(out, "--tagfocus", f"thread=^{name}$").values())
        print(f"{name}: {sampled / 1e6:.0f} ms sampled of {int(used) / 1e6:.0f} ms")
        # What the kernel does for a thread is not seen.
        expect_measured(0.9 * int(used) - 2e7 < sampled < 1.05 * int(used) + 2e7, f"{name}: {sampled} of {used} ns")


def children(live):
    """What a command starts is sampled, whatever program it becomes; or not."""
    program = live.compile("shares.c")
    for name in ("first", "second"):
        shutil.copy(program, live.folder / name)
    script = f"{live.folder}/first 0.4; {live.folder}/second 0.4 & wait; exit 7"
    stats, stacks = live.record("-F", 499, command=["sh", "-c", script])
    by_perf(stats)
    whole(stats, 0.99)
    total = sum(stacks.values())
    parts = {name: sum(live.stacks(live.folder / "out.pb.gz", "--tagfocus", f"process=^{name}$").values()) / total
             for name in ("first", "second")}
    expect_measured(min(parts.values()) > 0.25 and sum(parts.values()) > 0.95, f"{parts} of {stats['taken']} samples")
    out = live.folder / "alone.folded"
    script = f"i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; {live.folder}/first 0.3"
    subprocess.run([*live.prefix, live.tool, "record", "--no-children", "-q", "-o", out, "--", "sh", "-c", script],
                   check=True)
    expect("spin" not in out.read_text(), "a child was sampled")


def deep(live):
    """Stacks longer than their copy are told, and larger copies can be asked for."""
    program = live.compile("deep.c")
    stats, _ = live.record("--stack-size", 16384, command=[program, 6, 1])
    expect_measured(stats["complete"] < 0.1 * stats["user"], f"48 KiB of stack in 16? {stats['text']}")
    expect("longer than its copy" in stats["text"] and "see --stack-size" in stats["text"], stats["text"])
    cut = live.stacks(live.folder / "out.pb.gz", "--tagfocus", "incomplete=stack longer than the copy of it")
    expect(cut, "the stacks do not say what they lack")
    stats, _ = live.record("--stack-size", 65528, command=[program, 6, 1])
    whole(stats, 0.95)


def cpu_budget(live):
    """Walks fewer stacks where they cost too much; every thread still has its time."""
    program = live.compile("shares.c")
    user = AS_NOBODY if live.prefix else []
    workers = [subprocess.Popen([*user, program, "1000"]) for _ in range(os.cpu_count())]  # two threads each
    time.sleep(0.5)
    before = [cpu_time(worker.pid) for worker in workers]
    began = time.monotonic()
    try:
        targets = [word for worker in workers for word in ("-p", worker.pid)]
        stats, stacks = live.record(*targets, "-F", 499, "-d", 10, "--cpu-budget", 0.01)
        took = time.monotonic() - began
        used = [10 / took * (cpu_time(worker.pid) - start) for worker, start in zip(workers, before)]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    by_perf(stats)
    frequency, lowered = map(int, re.search(r"^frequency\s+(\d+) Hz, lowered (\d+)", stats["text"], re.M).groups())
    expect_measured(lowered >= 1 and 1 <= frequency < 350, f"not lowered: {stats['text']}")
    each = sum(stacks.values()) / stats["taken"]
    expect_measured(each > 1.05e9 / 499, f"{each} ns a sample, as if not lowered: {stats['text']}")
    for worker, seconds in zip(workers, used):
        had = sum(live.stacks(live.folder / "out.pb.gz", "--tagfocus", f"pid={worker.pid}:{worker.pid}").values()) / 1e9
        print(f"{had:.2f} s of {seconds:.2f} s")
        seconds *= 1 - stats["lost"] / stats["taken"]  # on a busy machine the ring may fill
        expect_measured(abs(had - seconds) < 0.12 * seconds + 1 / frequency,
                        f"{had:.2f} s of {seconds:.2f} s of {worker.pid}: {stats['text']}")
    print(f"at last {frequency} Hz, {stats['taken']} samples")
    samples = live.stacks(live.folder / "out.pb.gz", "--type", "samples")  # the few of the end weigh much
    check_heavy(stats, samples, 0.03)


def java_names(live):
    """Methods of one's own JVM, that nobody asked before."""
    with Jvm(live, FRAMES, before=AS_NOBODY if live.prefix else ()) as jvm:
        live.folder.chmod(0o777)  # for what the recorder writes
        stats, stacks = live.record("-p", jvm.process.pid, "-d", 4, "-F", 499)
        by_perf(stats)
        split(stacks, 499, within=0.03)
        whole(stats, 0.9)
        jvm.untouched()
    with Jvm(live, before=AS_NOBODY if live.prefix else ()) as jvm:
        live.folder.chmod(0o777)
        live.record("-p", jvm.process.pid, "-d", 2, "-F", 299)
        out = live.folder / "out.pb.gz"
        everything = sum(live.stacks(out, "--focus", r"^Split\.").values())
        marked = sum(live.stacks(out, "--focus", r"^Split\.", "--tagfocus", "incomplete=.").values())
        expect_measured(everything > 0 and marked == everything, f"{marked} of {everything} without frame pointers marked")


def python_perf(live):
    """CPython's trampolines, by the rows that BPF has."""
    live.prefix = []  # interpreters that have them may lie where only their owner can run them
    languages.python_perf(live, "--backend", "perf", least=0.9)


def refused(live):
    """What cannot be done without privileges is said, and what can."""
    def record(*words, code, says):
        done = subprocess.run([*live.prefix, live.tool, "record", "-d", "1", "-o", live.folder / "x.folded", *words],
                              capture_output=True, text=True, timeout=20)
        expect(done.returncode == code, f"{words}: exit {done.returncode}, {done.stderr}")
        for text in says:
            expect(text in done.stderr, f"{words}: {done.stderr}")

    for words in (["-a"], ["--name", "x"], ["--cgroup", "/sys/fs/cgroup"]):
        record(*words, code=4, says=["CAP_BPF", "given by their ids", "a command"])
    record("--backend", "bpf", "--", "true", code=4, says=["profcore check"])
    record("--backend", "perf", "-a", code=2, says=["given by their ids"])
    record("-p", "4194304", code=1, says=["no process"])
    if live.prefix:
        record("-p", str(os.getpid()), code=4, says=["another user's"])
    target = subprocess.Popen([*live.prefix, live.compile("threads.c", "-DTHREADS=64"), "1"], stdin=subprocess.PIPE)
    time.sleep(0.3)
    live.prefix += ["prlimit", "--nofile=64:64"]
    record("-p", str(target.pid), code=1, says=["oo many open files"])
    del live.prefix[-2:]
    target.communicate()
    last = needs(live)["back end"]
    expect(not last["met"] and last["have"].startswith("perf ring"), f"{last}")


def choice(live):
    """By root the same tool takes BPF, or the perf ring when it is told to."""
    if not live.prefix:
        raise Skip("only root can try both")
    live.prefix = []
    program = live.compile("shares.c")
    Live.check_machine(live)
    stats, _ = live.record(command=[program, 0.5])
    expect("back end         BPF: " in stats["text"] and "by BPF on" in stats["text"], stats["text"])
    stats, _ = live.record("--backend", "perf", command=[program, 0.5])
    expect("back end         perf ring: as asked for" in stats["text"], stats["text"])
    whole(stats, 0.99)
    expect(needs(live)["back end"]["have"].startswith("BPF"), "check says something else")


def bpf_capabilities(live):
    """BPF with CAP_BPF and CAP_PERFMON alone: files are opened by their paths."""
    if not live.prefix:
        raise Skip("only root can give capabilities away")
    live.prefix = WITH_BPF
    Live.check_machine(live)
    program = live.compile("shares.c")
    stats, stacks = live.record("-F", 997, command=[program, 1])
    expect("back end         BPF: " in stats["text"], stats["text"])
    whole(stats, 0.95)  # the first milliseconds may come before the program's mappings are known
    check_heavy(stats, stacks, 0.02)


CASES = {f.__name__: f for f in (
    shares, threads, children, deep, cpu_budget, java_names, python_perf, refused, choice, bpf_capabilities)}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in CASES:
        sys.exit(f"usage: unprivileged.py {{{','.join(CASES)}}} TOOL")

    def make_live(folder):
        Path(folder).chmod(0o777)
        return Live(os.path.abspath(sys.argv[2]), folder, AS_NOBODY if os.geteuid() == 0 else [])

    def check_tools(live):
        if live.prefix and not shutil.which("setpriv"):
            raise Skip("no setpriv to drop privileges with")

    run_case(CASES[sys.argv[1]], make_live, check_tools, make_runnable, check_machine)


if __name__ == "__main__":
    main()
