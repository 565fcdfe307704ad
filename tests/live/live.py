#!/usr/bin/env python3
"""Records real programs on this kernel with the tool and looks at what came out.

Usage: live.py CASE TOOL [RECORDER]. Where the kernel or the user may not run BPF the case is skipped (77) with
the reason; with PROFCORE_REQUIRE_BPF=1 in the environment that is a failure. A program that is not
installed (Go, Java, node) skips its own case only. What is measured (shares, times) has three attempts.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import languages
import loads
from harness import Live, Skip, cpu_time, expect, expect_in_kernel, expect_measured, folded, run_case, whole


def shares(live):
    """Known shares of functions and threads, complete stacks, nothing lost."""
    program = live.compile("shares.c")
    stats, stacks = live.record("--per-thread", "-F", 997, command=[program, 2])
    whole(stats, 0.995)  # a tick in the first millisecond may come before the program's mappings are known
    expect_measured(stats["lost"] == 0, "samples were lost")
    cut = live.stacks(live.folder / "out.pb.gz", "--focus", "^level$", "--tagfocus", "incomplete")
    expect_measured(not cut, f"stacks of the work are cut: {cut}")
    print(f"{stats['taken']} samples; {stats['us']} us a sample")
    expect_shares(stacks, 0.02)


def expect_shares(stacks, tolerance):
    total = sum(stacks.values())

    def share(*names):
        return sum(v for s, v in stacks.items() if all(n in s.split(";") for n in names)) / total

    heavy, light = share("heavy"), share("light")
    print(f"heavy {heavy:.3f}, light {light:.3f}")
    expect_measured(abs(heavy / (heavy + light) - 0.75) < tolerance, f"heavy is {heavy:.3f}, light {light:.3f}")
    first = share("main")
    expect_measured(0.4 < first < 0.6, f"the first thread has {first:.3f} of the work: {sorted(stacks)[:3]}")
    deep = [s for s in stacks if "heavy" in s.split(";")]
    expect_measured(all(s.split(";").count("level") == 9 for s in deep), f"not nine levels: {deep[:2]}")


def cpu_budget(live):
    """Samples more rarely where they cost too much; all CPU time is still there, each sample with its own."""
    program = live.compile("shares.c")
    cpus = os.cpu_count()
    workers = [subprocess.Popen([program, "1000"]) for _ in range(cpus)]  # two threads each: no CPU is idle
    time.sleep(0.5)
    seconds = 7
    try:
        stats, stacks = live.record("-a", "-F", 499, "-d", seconds, "--cpu-budget", 0.05 * cpus)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    frequency, lowered = map(int, re.search(r"^frequency\s+(\d+) Hz, lowered (\d+)", stats["text"], re.M).groups())
    expect_measured(lowered >= 1 and 1 <= frequency < 350, f"not lowered: {stats['text']}")
    expect_measured(stats["taken"] < 0.8 * 499 * seconds * cpus, f"taken as if not lowered: {stats['text']}")
    had = sum(stacks.values()) / 1e9 / (seconds * cpus)
    print(f"at last {frequency} Hz, {stats['taken']} samples, {had:.3f} of all CPU time")
    expect_measured(abs(had - 1) < 0.04, f"{had:.3f} of the CPU time is in the profile: {stats['text']}")


def in_signal(live):
    """Through a signal frame to the root."""
    program = live.compile("in_signal.c")
    stats, stacks = live.record("-F", 299, command=[program, 2])
    whole(stats, 0.99)  # a tick in the first millisecond may come before the program's mappings are known
    total = sum(stacks.values())
    through = sum(v for s, v in stacks.items()
                  if "on_signal" in s.split(";") and s.split(";").count("interrupted") == 6 and "main" in s.split(";"))
    expect_measured(through > 0.9 * total, f"{through} of {total} through the handler: {sorted(stacks)[:3]}")

def in_kernel(live):
    """From the kernel's frames on to the root of the user's."""
    program = live.compile("in_kernel.c")
    stats, stacks = live.record("-F", 997, command=[program, 1])
    whole(stats, 0.98)  # a tick in the first millisecond may come before the program's mappings are known
    expect_in_kernel(stacks)


def as_old(live):
    """As on kernels without bpf_loop and growing maps: the same stacks, at no more than twice the cost."""
    cost = {}
    for name, words in (("by calls", ()), ("by bpf_loop", ("--as-it-is",))):
        for program, seconds in ((live.compile("shares.c"), 0.75), (live.compile("in_kernel.c"), 0.5)):
            out = live.folder / "out.folded"
            done = subprocess.run([live.recorder, *words, "997", out, program, str(seconds)], capture_output=True,
                                  text=True, check=False)
            expect(done.returncode == 0, done.stderr)
            stats, stacks = live.stats(done.stderr), folded(out.read_text(errors="replace"))
            started = re.search(r"^started in +(.*)", done.stderr, re.M).group(1)
            print(f"{name}, {program.name}: {stats['us']} us a sample, started in {started}")
            expect_measured(stats["taken"] == stats["delivered"] and stats["lost"] == 0, f"samples are missing: {done.stderr}")
            whole(stats, 0.98)
            if program.name == "in_kernel":
                expect_in_kernel(stacks)
            else:
                expect_shares(stacks, 0.05)
                cost[name] = stats["us"]
    expect_measured(cost["by calls"] < 2 * cost["by bpf_loop"] + 2,
                    f"too dear: {cost}")


def whole_host(live):
    """Every process; every sample accounted for; as much of a busy one as it has run."""
    program = live.compile("shares.c")
    worker = subprocess.Popen([program, "60"])
    before = cpu_time(worker.pid)
    stats, _ = live.record("--all", "-d", 3)
    used = cpu_time(worker.pid) - before
    worker.kill()
    worker.wait()
    whole(stats, 0.8)
    ours = sum(live.stacks(live.folder / "out.pb.gz", "--tagfocus", f"pid={worker.pid}:{worker.pid}").values()) / 1e9
    # It also ran while the recorder started and wrote.
    expect_measured(0.5 * used < ours < 1.1 * used, f"{ours:.2f} s of the {used:.2f} s that the busy process ran")


def name_rule(live):
    """Processes by a pattern, also those that start later; nobody else."""
    program = live.compile("shares.c")
    renamed = live.folder / "chosen-one"
    shutil.copy(program, renamed)
    other = subprocess.Popen([program, "60"])
    out = live.folder / "name.pb.gz"
    recording = subprocess.Popen([live.tool, "record", "--name", "^chosen", "-q", "-o", out])
    time.sleep(1.5)
    subprocess.run([renamed, "0.75"], check=True)  # seconds in each of two threads
    recording.send_signal(signal.SIGINT)
    recording.wait()
    other.kill()
    other.wait()
    everything = sum(live.stacks(out).values())
    chosen = sum(live.stacks(out, "--tagfocus", "process=^chosen-one$").values())
    expect_measured(abs(everything / 1.5e9 - 1) < 0.1, f"{everything / 1e9:.2f} s of 1.5 s that the chosen one ran")
    expect(chosen == everything, f"others were sampled: {chosen} of {everything}")


def name_of_program(live):
    """Who was chosen by its name is one no longer when it runs another program; who takes the name on later is one."""
    program = live.compile("shares.c")
    chosen = live.folder / "chosen-shell"
    shutil.copy(shutil.which("bash"), chosen)
    out = live.folder / "name.pb.gz"
    recording = subprocess.Popen([live.tool, "record", "--name", "^chosen-", "--no-children", "-q", "-o", out])
    time.sleep(1)
    subprocess.run([chosen, "-c", f"{program} 0.5; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"], check=True)
    recording.send_signal(signal.SIGTERM)  # as systemd and timeout do
    recording.wait()
    ours = sum(live.stacks(out, "--tagfocus", "process=^chosen-").values())
    others = sum(live.stacks(out, "--tagignore", "process=^chosen-").values())
    expect_measured(ours > 0.1e9, f"the chosen one has {ours / 1e9} s")
    expect_measured(others < 0.05e9, f"what it ran has {others / 1e9} s")


def cgroup(live):
    """What is in a cgroup, and nothing else."""
    roots = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in line]
    if not roots:
        raise Skip("no cgroup v2 is mounted")
    folder = Path(roots[0]) / f"profcore-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        raise Skip(f"no cgroup can be made: {error}") from error
    program = live.compile("shares.c")
    other = subprocess.Popen([program, "60"])
    inside = subprocess.Popen(["sh", "-c", f"echo $$ > {folder}/cgroup.procs; exec {program} 60"])
    try:
        stats, stacks = live.record("--cgroup", folder, "-d", 3)
        ours = live.stacks(live.folder / "out.pb.gz", "--tagfocus", f"pid={inside.pid}:{inside.pid}")
        expect_measured(stats["taken"] > 50, f"too few samples: {stats['text']}")
        expect_measured(sum(ours.values()) > 0.95 * sum(stacks.values()), f"{ours} of {stacks}")
    finally:
        for program in (inside, other):
            program.kill()
            program.wait()
        folder.rmdir()


class CpuSwitch:
    """A CPU that is switched off and on again, and on again whatever happens."""

    def __init__(self):
        self.cpu = max(os.sched_getaffinity(0))
        self.file = Path(f"/sys/devices/system/cpu/cpu{self.cpu}/online")
        if len(os.sched_getaffinity(0)) < 2 or not self.file.exists() or not os.access(self.file, os.W_OK):
            raise Skip("no CPU can be switched off here")

    def __enter__(self):
        # Also when this program is killed.
        self.guard = subprocess.Popen(["setsid", "sh", "-c", f"sleep 30; echo 1 > {self.file}"],
                                      stderr=subprocess.DEVNULL)
        return self

    def turn(self, on):
        try:
            self.file.write_text("1" if on else "0")
        except OSError as error:
            raise Skip(f"CPU {self.cpu} cannot be switched {'on' if on else 'off'}: {error}") from error

    def __exit__(self, *_):
        self.file.write_text("1")
        os.killpg(self.guard.pid, signal.SIGKILL)
        self.guard.wait()


def cpu_hotplug(live):
    """A CPU that goes and comes: what runs on it afterwards is sampled as before, whole and in full."""
    program = live.compile("shares.c")
    with CpuSwitch() as switch:
        out = live.folder / "out.pb.gz"
        recording = subprocess.Popen([live.tool, "record", "--all", "--per-cpu", "-F", "199", "-d", "8", "--stats", "-o", out],
                                     stderr=subprocess.PIPE, text=True)
        time.sleep(2.5)
        switch.turn(on=False)
        time.sleep(0.3)  # not seen in a list of CPUs that is read once a second
        switch.turn(on=True)
        time.sleep(1.5)
        worker = subprocess.Popen([program, "60"], preexec_fn=lambda: os.sched_setaffinity(0, [switch.cpu]))
        time.sleep(0.1)
        before, began = cpu_time(worker.pid), time.monotonic()
        _, text = recording.communicate()
        used = cpu_time(worker.pid) - before
        worker.kill()
        worker.wait()
    stats = live.stats(text)
    expect(stats["taken"] == stats["delivered"] + stats["lost_counts"], f"samples are missing: {text}")
    # Not what Python does between fork and exec, before it is bound to its CPU.
    ours = ("--tagfocus", f"pid={worker.pid}:{worker.pid}", "--focus", "^level$")
    everything = sum(live.stacks(out, *ours).values()) / 1e9
    elsewhere = sum(live.stacks(out, *ours, "--tagignore", f"cpu={switch.cpu}:{switch.cpu}").values()) / 1e9
    there = everything - elsewhere
    cut = everything - sum(live.stacks(out, *ours, "--tagignore", "incomplete").values()) / 1e9
    print(f"{there:.2f} s on CPU {switch.cpu} of {used:.2f} s in {time.monotonic() - began:.1f} s; {cut:.2f} s not whole")
    expect_measured(used > 0.3 and 0.8 * used - 0.2 < there < 1.1 * used + 0.2, f"{there:.2f} s of {used:.2f} s: {text}")
    expect(elsewhere == 0, f"{elsewhere} s on another CPU")
    expect_measured(cut < 0.05 * everything, f"{cut} of {everything} s not whole")


def many(live):
    """Programs that live for some milliseconds: known in time, whole, and cheap to keep up with."""
    running = subprocess.Popen(loads.many(live.folder, 6), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    stats, _ = live.record("--all", "-d", 4)
    running.wait()
    out = live.folder / "out.pb.gz"
    programs = ("--tagfocus", r"process=^(cc1|as|python3.*|perl|ls)$")
    everything = sum(live.stacks(out, *programs).values())
    share = sum(live.stacks(out, *programs, "--tagignore", "incomplete").values()) / max(everything, 1)
    print(f"{share:.1%} of the stacks of short-lived programs are whole, {stats['us']} us a sample\n{stats['text']}")
    expect_measured(everything > 0.2e9, f"too few samples: {everything}")
    expect_measured(stats["lost"] == 0, "samples were lost")
    expect_measured(share > 0.85, "too few are whole")  # 95 to 98 % on a machine with nothing else to do


def lost_news(live):
    """What the kernel had no room to tell is read from /proc: who started meanwhile is not unknown for good."""
    flood = ("import mmap, os\n"
             "for cpu in os.sched_getaffinity(0):\n"
             " os.sched_setaffinity(0, [cpu])\n"
             " for i in range(20000): mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()\n")
    program = live.compile("shares.c")
    out = live.folder / "lost.pb.gz"
    recording = subprocess.Popen([live.tool, "record", "--all", "-d", "6", "--stats", "-q", "-o", out],
                                 stderr=subprocess.PIPE, text=True)
    time.sleep(1.5)
    recording.send_signal(signal.SIGSTOP)
    subprocess.run([sys.executable, "-c", flood], check=True)
    worker = subprocess.Popen([program, "5"])
    time.sleep(0.3)
    recording.send_signal(signal.SIGCONT)
    _, text = recording.communicate()
    worker.wait()
    # On a quiet machine the kernel has not told yet how many were lost.
    expect_measured(int(re.search(r"(\d+) processes read again", text).group(1)) > 0, f"nothing was read again: {text}")
    ours = ("--tagfocus", f"pid={worker.pid}:{worker.pid}")
    everything = sum(live.stacks(out, *ours).values())
    share = sum(live.stacks(out, *ours, "--tagignore", "incomplete").values()) / max(everything, 1)
    expect_measured(everything > 0.1e9, f"too few samples of it: {everything}")
    expect_measured(share > 0.5, f"only {share:.1%} of its stacks are whole: {text}")


def nothing_left(live):
    """A recorder that is killed leaves no program, no map, no mount behind."""
    def programs():
        done = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip("no bpftool to look with")
        return {p["id"] for p in json.loads(done.stdout) if p.get("name") == "take_sample"}

    mounts = Path("/proc/mounts").read_text()
    before = programs()
    recording = subprocess.Popen([live.tool, "record", "-a", "-q", "-o", live.folder / "x.folded"])
    for _ in range(100):
        time.sleep(0.1)
        if programs() - before:
            break
    expect(programs() - before, "the program was never loaded")
    recording.send_signal(signal.SIGKILL)
    recording.wait()
    for _ in range(50):
        if not programs() - before:
            break
        time.sleep(0.1)
    expect(not programs() - before, "a BPF program is left")
    expect(Path("/proc/mounts").read_text() == mounts, "a mount is left")


DEEPFLOW_FRAME = re.compile(r"\[k\] [^\[ ].*|\[l\] [^\[ ].*|\[c\] .+|\[/[^\[\]]+\]|\[vdso\]|\[unknown\] 0x[0-9a-f]{16}|"
                            r"\[unknown start_thread\?\]|\[stack trace lost\]|[^\[ ].*")


def deepflow(live):
    """Every frame in one of DeepFlow's forms, kernel and libraries told apart, whole microseconds."""
    program = live.compile("shares.c")
    command = ["sh", "-c", f"{program} 3 & dd if=/dev/zero of=/dev/null bs=1M count=20000 2>/dev/null; wait"]
    stats, _ = live.record("--compat", "deepflow", "-F", 499, "-d", 4, command=command)
    # As from the profile that was read back: pprof has no kinds of frames, but modules.
    stacks = live.stacks(live.folder / "out.pb.gz", "--compat", "deepflow")
    expect(sum(stacks.values()) == stats["delivered"] * (10**9 // 499 // 1000),
           f"{sum(stacks.values())} us of {stats['delivered']} samples")
    for stack in stacks:
        first, *rest = stack.split(";")
        expect(re.fullmatch(r"\[[pt]\] .+", first), f"no process or thread first: {stack}")
        for frame in rest:
            expect(DEEPFLOW_FRAME.fullmatch(frame), f"no form: {frame!r} of {stack}")
    for root, frame in (("[p] shares", "heavy"), ("[t] shares", "heavy"), ("[p] dd", "[k] "),
                        ("[p] dd", "[l] ")):
        expect_measured(any(s.startswith(root + ";") and f";{frame}" in s for s in stacks),
               f"no {frame} below {root}: {sorted(stacks)[:5]}")


def total(live):
    """The host by process and thread: three layers that add up to every sample, whoever it is of."""
    program = live.compile("shares.c")
    worker = subprocess.Popen([program, "5"])
    stats, _ = live.record("--total", "-d", 3)
    worker.wait()
    out = live.folder / "out.pb.gz"
    counts = live.stacks(out, "--type", "samples")
    expect(sum(counts.values()) == stats["delivered"] == stats["taken"], f"{counts} of {stats['text']}")
    expect(all(s.count(";") <= 1 for s in counts), f"more than two frames: {counts}")
    expect_measured(counts.get("shares", 0) > 10 and counts.get("shares;shares", 0) > 10, f"no main and other thread: {counts}")
    done = subprocess.run([live.tool, "flame", out, "--total", "--compat", "deepflow", "--to", "json", "-o", "-"],
                          capture_output=True, text=True, check=True)
    tree = json.loads(done.stdout)
    names = [tree["frames"][f]["name"] for f in tree["nodes"]["frame"]]
    parents, own, sums = (tree["nodes"][c] for c in ("parent", "self", "total"))
    expect(tree["unit"] == "microseconds" and sums[0] == stats["delivered"] * 10101, f"{sums[0]} us")
    expect(sum(own) == sums[0] == sum(t for t, p in list(zip(sums, parents))[1:] if p == 0), "the layers do not add up")
    for name, parent in list(zip(names, parents))[1:]:
        expect(name.startswith("[t] " if parent else "[p] "), f"{name} below {names[parent]}")
        expect(parent == 0 or parents[parent] == 0, f"{name} is too deep")
    expect(names[0] == "Total" and "[p] shares" in names and "[t] shares" in names, str(names))
def pid_namespace(live):
    """Inside a pid namespace: processes by their ids there, also those of namespaces below, and the rest as one."""
    program = live.compile("shares.c")
    outsider = live.folder / "outsider"
    shutil.copy(program, outsider)
    busy = subprocess.Popen([outsider, "60"])
    script = f"""
        {program} 60 & echo direct $!
        unshare --pid --fork {program} 60 &
        sleep 0.5
        echo below $(cat /proc/$!/task/$!/children)
        {live.tool} record -a -d 2 -F 199 --stats -o {live.folder}/all.pb.gz || echo failed
        {live.tool} record -p $(pgrep -xo shares) -d 1.5 -F 199 --stats -o {live.folder}/one.pb.gz || echo failed"""
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script],
                          capture_output=True, text=True, timeout=60)  # its end is everybody's end inside
    busy.kill()
    busy.wait()
    if "unshare:" in done.stderr:
        raise Skip(f"no pid namespace can be made: {done.stderr.splitlines()[0]}")
    expect("failed" not in done.stdout, done.stderr)
    direct = int(re.search(r"^direct (\d+)", done.stdout, re.M).group(1))
    below = int(re.search(r"^below (\d+)", done.stdout, re.M).group(1))

    def cpu(profile, *filters):
        return sum(live.stacks(live.folder / profile, *filters).values()) / 1e9

    def whole_share(profile, pid):
        ours = live.stacks(live.folder / profile, "--tagfocus", f"pid={pid}:{pid}")
        expect_measured(ours, f"pid {pid} is missing in {profile}: {done.stdout}{done.stderr}")
        named = sum(v for s, v in ours.items() if "heavy" in s.split(";"))
        work = sum(v for s, v in ours.items() if "level" in s.split(";"))
        expect_measured(work < 4e8 or abs(named / work - 0.75) < 0.2, f"heavy has {named / work:.3f} of pid {pid}")

    whole_share("all.pb.gz", direct)
    whole_share("all.pb.gz", below)
    whole_share("one.pb.gz", direct)
    expect(cpu("one.pb.gz", "--tagfocus", f"pid={direct}:{direct}") == cpu("one.pb.gz"), "more than the one process")
    expect_measured(cpu("all.pb.gz", "--tagfocus", "process=^outside this pid namespace$") > 0.1, "nothing outside")
    expect(cpu("all.pb.gz", "--tagfocus", "process=outsider") == 0, "a process outside has a name")
    expect(cpu("all.pb.gz", "--focus", "^level$", "--tagfocus", "process=^outside") == 0, "a stack outside has names")


def names(live):
    """Functions of stripped programs and of the kernel: the share of frames, by samples, that has a name."""
    out, raw = live.folder / "names.json", live.folder / "raw.pb.gz"

    def run(*words):
        done = subprocess.run([live.tool, *map(str, words)], capture_output=True, text=True, timeout=100)
        expect(done.returncode == 0, f"{words[0]} failed: {done.stderr}")

    run("record", "-q", "-F", 199, "-o", out, "--", *loads.many(live.folder, 4))
    check_names("at once", json.loads(out.read_text()))
    run("record", "-q", "-F", 199, "--no-symbols", "-o", raw, "--", *loads.many(live.folder, 2))
    run("symbolize", raw, "-o", out)
    check_names("afterwards", json.loads(out.read_text()))


def check_names(when, profile):
    counts = name_counts(profile)
    for kind, least in (("user", 0.95), ("kernel", 0.99)):
        total = sum(v for (k, _, _), v in counts.items() if k == kind)
        by = {how: sum(v for (k, h, _), v in counts.items() if (k, h) == (kind, how)) / max(total, 1)
              for how in ("symbol", "bounds")}
        rest = sorted(((v, f"{how} {module}") for (k, how, module), v in counts.items()
                       if k == kind and how not in by), reverse=True)[:5]
        print(f"{when}, {kind}: {total} frames, {by['symbol']:.1%} by symbols, {by['bounds']:.1%} by bounds; {rest}")
        expect_measured(total > 300, f"only {total} {kind} frames")
        expect_measured(sum(by.values()) >= least, f"{sum(by.values()):.1%} of {kind} frames have a name: {rest}")


def name_counts(profile):
    """{(user or kernel, "symbol", "bounds" or the reason for no name, module): frames of all samples}."""
    parents, places = profile["stacks"]["parent"], profile["stacks"]["location"]
    weights = [0] * len(parents)
    for stack, value in zip(profile["samples"]["stack"], profile["samples"]["values"][0]):
        weights[stack] += value
    for stack in range(len(parents) - 1, 0, -1):
        weights[parents[stack]] += weights[stack]
    counts = {}
    for stack in range(1, len(parents)):
        location = profile["locations"][places[stack]]
        module = profile["modules"][location["module"]]
        how = "bounds" if location.get("by_bounds") else "symbol" if location["lines"] else location["reason"]
        key = ("kernel" if location["kind"] == "kernel" else "user", how, module["path"] if module else "-")
        counts[key] = counts.get(key, 0) + weights[stack]
    return counts

CASES = {f.__name__: f for f in (
    shares, cpu_budget, cpu_hotplug, in_signal, in_kernel, as_old, whole_host, name_rule, name_of_program, cgroup,
    pid_namespace, many, lost_news, nothing_left, deepflow, total, names, *languages.CASES)}


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in CASES:
        sys.exit(f"usage: live.py {{{','.join(CASES)}}} TOOL [RECORDER]")

    def make_live(folder):
        live = Live(os.path.abspath(sys.argv[2]), folder)
        live.recorder = os.path.abspath(sys.argv[-1])
        return live

    run_case(CASES[sys.argv[1]], make_live, Live.check_machine)


if __name__ == "__main__":
    main()
