#!/usr/bin/env python3
"""Records real programs on this kernel with the tool and looks at what came out.

Usage: live.py CASE TOOL [RECORDER]. Where the kernel or the user may not run BPF the case is skipped (77) with
the reason; with PROFCORE_REQUIRE_BPF=1 in the environment that is a failure. A program that is not
installed (Go, Java, node) skips its own case only.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import loads

PROGRAMS = loads.PROGRAMS
SKIP = 77


class Skip(Exception):
    pass


class Failure(Exception):
    pass


def expect(condition, text):
    if not condition:
        raise Failure(text)


class Live:
    def __init__(self, tool, folder, prefix=()):
        self.tool = tool
        self.prefix = list(prefix)  # what runs the recorder as another user
        self.recorder = None  # see record_as_old.cpp
        self.folder = Path(folder)

    def check_machine(self):
        done = subprocess.run([self.tool, "check", "--json"], capture_output=True, text=True, check=True)
        for need in json.loads(done.stdout)["recording"]:
            if need["hard"] and not need["met"]:
                text = f"no {need['need']} ({need['have']}): {need['consequence']}"
                if os.environ.get("PROFCORE_REQUIRE_BPF") == "1":
                    raise Failure(text)
                raise Skip(text)

    def compile(self, name, *flags):
        return loads.compile_program(name, self.folder, *flags)

    def record(self, *words, command=()):
        """(stats, {stack: value}) of `profcore record WORDS -- COMMAND`."""
        out = self.folder / "out.pb.gz"
        out.unlink(missing_ok=True)
        words = [*self.prefix, self.tool, "record", *map(str, words), "--stats", "-o", out]
        if command:
            words += ["--", *map(str, command)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        if not out.exists():
            raise Failure(f"record failed ({done.returncode}): {done.stderr}")
        stacks = self.stacks(out)
        stats = self.stats(done.stderr)
        expect(stats["taken"] == stats["delivered"] + stats["lost_counts"],
               f"samples are missing: {done.stderr}")
        return stats, stacks

    def stacks(self, profile, *filters):
        """{stack: value} of a profile, as the tool folds it."""
        done = subprocess.run([self.tool, "convert", profile, *filters, "--to", "collapsed", "-o", "-"],
                              capture_output=True, text=True, errors="replace")
        return folded(done.stdout)

    @staticmethod
    def stats(text):
        def number(pattern):
            found = re.search(pattern, text, re.M)
            if not found:
                raise Failure(f"no {pattern} in {text}")
            return float(found.group(1))

        return {
            "taken": int(number(r"^taken\s+(\d+)")),
            "delivered": int(number(r"^delivered\s+(\d+)")),
            "lost_counts": int(number(r"^lost .*no room (\d+)")),
            "lost": int(number(r"^lost\s+(\d+)")),
            "complete": int(number(r"^complete\s+(\d+)")),
            "user": int(number(r"^complete\s+\d+ of (\d+)")),
            "us": number(r"^in the kernel .* ([\d.]+) us a sample"),
            "text": text,
        }


def folded(text):
    stacks = {}
    for line in text.splitlines():
        stack, _, value = line.rpartition(" ")
        if stack and value.isdigit():
            stacks[stack] = stacks.get(stack, 0) + int(value)
    return stacks


def whole(stats, least=1.0):
    expect(stats["user"] > 0, "no user stacks")
    share = stats["complete"] / stats["user"]
    expect(share >= least, f"only {share:.1%} of the stacks are whole:\n{stats['text']}")
    return share


def shares(live):
    """Known shares of functions and threads, complete stacks, nothing lost."""
    program = live.compile("shares.c")
    stats, stacks = live.record("--per-thread", "-F", 997, command=[program, 2])
    whole(stats, 0.995)  # a tick in the first millisecond may come before the program's mappings are known
    expect(stats["lost"] == 0, "samples were lost")
    cut = live.stacks(live.folder / "out.pb.gz", "--focus", "^level$", "--tagfocus", "incomplete")
    expect(not cut, f"stacks of the work are cut: {cut}")
    print(f"{stats['taken']} samples; {stats['us']} us a sample")
    expect_shares(stacks, 0.02)


def expect_shares(stacks, tolerance):
    total = sum(stacks.values())

    def share(*names):
        return sum(v for s, v in stacks.items() if all(n in s.split(";") for n in names)) / total

    heavy, light = share("heavy"), share("light")
    print(f"heavy {heavy:.3f}, light {light:.3f}")
    expect(abs(heavy / (heavy + light) - 0.75) < tolerance, f"heavy is {heavy:.3f}, light {light:.3f}")
    first = share("main")
    expect(0.4 < first < 0.6, f"the first thread has {first:.3f} of the work: {sorted(stacks)[:3]}")
    deep = [s for s in stacks if "heavy" in s.split(";")]
    expect(all(s.split(";").count("level") == 9 for s in deep), f"not nine levels: {deep[:2]}")


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
    expect(lowered >= 1 and 1 <= frequency < 350, f"not lowered: {stats['text']}")
    expect(stats["taken"] < 0.8 * 499 * seconds * cpus, f"taken as if not lowered: {stats['text']}")
    had = sum(stacks.values()) / 1e9 / (seconds * cpus)
    print(f"at last {frequency} Hz, {stats['taken']} samples, {had:.3f} of all CPU time")
    expect(abs(had - 1) < 0.04, f"{had:.3f} of the CPU time is in the profile: {stats['text']}")


def in_signal(live):
    """Through a signal frame to the root."""
    program = live.compile("in_signal.c")
    stats, stacks = live.record("-F", 299, command=[program, 2])
    whole(stats, 0.99)  # a tick in the first millisecond may come before the program's mappings are known
    total = sum(stacks.values())
    through = sum(v for s, v in stacks.items()
                  if "on_signal" in s.split(";") and s.split(";").count("interrupted") == 6 and "main" in s.split(";"))
    expect(through > 0.9 * total, f"{through} of {total} through the handler: {sorted(stacks)[:3]}")


def cpu_time(pid):
    """User and system time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_kernel(live):
    """From the kernel's frames on to the root of the user's."""
    program = live.compile("in_kernel.c")
    stats, stacks = live.record("-F", 997, command=[program, 1])
    whole(stats, 0.98)  # a tick in the first millisecond may come before the program's mappings are known
    expect_in_kernel(stacks)


def expect_in_kernel(stacks, least=0.9):
    total = sum(stacks.values())
    through = sum(v for s, v in stacks.items()
                  if "vfs_read" in s.split(";") and s.split(";").count("reading") == 6 and "main" in s.split(";"))
    expect(through > least * total, f"{through} of {total} in read(2): {sorted(stacks)[:3]}")


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
            expect(stats["taken"] == stats["delivered"] and stats["lost"] == 0, f"samples are missing: {done.stderr}")
            whole(stats, 0.98)
            if program.name == "in_kernel":
                expect_in_kernel(stacks)
            else:
                expect_shares(stacks, 0.05)
                cost[name] = stats["us"]
    expect(cost["by calls"] < 2 * cost["by bpf_loop"] + 2, f"too dear: {cost}")


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
    expect(0.5 * used < ours < 1.1 * used, f"{ours:.2f} s of the {used:.2f} s that the busy process ran")


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
    expect(abs(everything / 1.5e9 - 1) < 0.1, f"{everything / 1e9:.2f} s of 1.5 s that the chosen one ran")
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
    expect(ours > 0.1e9, f"the chosen one has {ours / 1e9} s")
    expect(others < 0.05e9, f"what it ran has {others / 1e9} s")


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
        expect(stats["taken"] > 50, f"too few samples: {stats['text']}")
        expect(sum(ours.values()) > 0.95 * sum(stacks.values()), f"{ours} of {stacks}")
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
    ours = ("--tagfocus", f"pid={worker.pid}:{worker.pid}")
    everything = sum(live.stacks(out, *ours).values()) / 1e9
    elsewhere = sum(live.stacks(out, *ours, "--tagignore", f"cpu={switch.cpu}:{switch.cpu}").values()) / 1e9
    there = everything - elsewhere
    cut = everything - sum(live.stacks(out, *ours, "--tagignore", "incomplete").values()) / 1e9
    print(f"{there:.2f} s on CPU {switch.cpu} of {used:.2f} s in {time.monotonic() - began:.1f} s; {cut:.2f} s not whole")
    expect(used > 0.3 and 0.8 * used - 0.2 < there < 1.1 * used + 0.2, f"{there:.2f} s of {used:.2f} s: {text}")
    # Its first tick may fall before it is bound to its CPU.
    expect(elsewhere <= 0.02, f"{elsewhere} s on another CPU")
    expect(cut < 0.05 * everything, f"{cut} of {everything} s not whole")


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
    expect(everything > 0.2e9, f"too few samples: {everything}")
    expect(stats["lost"] == 0, "samples were lost")
    expect(share > 0.85, "too few are whole")  # 95 to 98 % on a machine with nothing else to do


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
    expect(int(re.search(r"(\d+) processes read again", text).group(1)) > 0, f"nothing was read again: {text}")
    ours = ("--tagfocus", f"pid={worker.pid}:{worker.pid}")
    everything = sum(live.stacks(out, *ours).values())
    share = sum(live.stacks(out, *ours, "--tagignore", "incomplete").values()) / max(everything, 1)
    expect(everything > 0.1e9, f"too few samples of it: {everything}")
    expect(share > 0.5, f"only {share:.1%} of its stacks are whole: {text}")


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
        expect(any(s.startswith(root + ";") and f";{frame}" in s for s in stacks),
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
    expect(counts.get("shares", 0) > 10 and counts.get("shares;shares", 0) > 10, f"no main and other thread: {counts}")
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
        expect(ours, f"pid {pid} is missing in {profile}: {done.stdout}{done.stderr}")
        named = sum(v for s, v in ours.items() if "heavy" in s.split(";"))
        work = sum(v for s, v in ours.items() if "level" in s.split(";"))
        expect(work < 4e8 or abs(named / work - 0.75) < 0.2, f"heavy has {named / work:.3f} of pid {pid}")

    whole_share("all.pb.gz", direct)
    whole_share("all.pb.gz", below)
    whole_share("one.pb.gz", direct)
    expect(cpu("one.pb.gz", "--tagfocus", f"pid={direct}:{direct}") == cpu("one.pb.gz"), "more than the one process")
    expect(cpu("all.pb.gz", "--tagfocus", "process=^outside this pid namespace$") > 0.1, "nothing outside")
    expect(cpu("all.pb.gz", "--tagfocus", "process=outsider") == 0, "a process outside has a name")
    expect(cpu("all.pb.gz", "--focus", "^level$", "--tagfocus", "process=^outside") == 0, "a stack outside has names")


def needs(program, *candidates):
    for candidate in (program, *candidates):
        found = shutil.which(candidate)
        if found:
            return found
    raise Skip(f"no {program} here")


def go(live):
    """Go keeps frame pointers and no call frame information for them."""
    program = live.folder / "spin_go"
    subprocess.run([needs("go", "/usr/local/go/bin/go"), "build", "-o", program, PROGRAMS / "spin.go"], check=True,
                   env={**os.environ, "GOFLAGS": "-mod=mod", "GOCACHE": str(live.folder / "gocache")})
    stats, _ = live.record(command=[program, 3])
    whole(stats, 0.99)


def rust(live):
    """Optimized Rust, with both manglings of names, with and without debug information."""
    compiler = needs("rustc")
    stable = {**os.environ, "RUSTC_BOOTSTRAP": "1"}  # newer compilers want it for the mangling that was the default
    for mangling, symbol in (("legacy", b"_ZN4rust4work5heavy17h"), ("v0", b"_4rust4work5heavy\0")):
        for debug in (0, 2):
            program = live.folder / "rust"
            subprocess.run([compiler, "-O", "-Z", "unstable-options", "-C", f"symbol-mangling-version={mangling}", "-C",
                            f"debuginfo={debug}", "-o", program, PROGRAMS / "rust.rs"], check=True, env=stable)
            expect(symbol in program.read_bytes(), f"not mangled as {mangling}")
            check_rust(live, program, f"{mangling}, debuginfo={debug}")


def check_rust(live, program, how):
    stats, stacks = live.record("--per-thread", "-F", 997, command=[program, 0.6])
    whole(stats, 0.995)  # a tick in the first millisecond may come before the program's mappings are known
    expect(stats["lost"] == 0, "samples were lost")
    cut = live.stacks(live.folder / "out.pb.gz", "--focus", "^rust::", "--tagfocus", "incomplete")
    work = {s: v for s, v in stacks.items() if "rust::work::" in s}
    expect(sum(cut.values()) <= 0.005 * sum(work.values()), f"{how}: stacks of the work are cut: {cut}")
    expect(sum(work.values()) > 0.9 * sum(stacks.values()), f"{how}: no names: {sorted(stacks)[:3]}")
    level = re.compile(r"<rust::Generic<[^;]+> as rust::Step>::level")

    def is_right(stack):
        frames = stack.split(";")
        return (sum(bool(level.fullmatch(f)) for f in frames) == 9 and "rust::sorted" in frames and
                not [f for f in frames if re.search(r"_R|_ZN|17h[0-9a-f]{16}|\.llvm\.|0x[0-9a-f]+|fn_", f)])

    wrong = {s: v for s, v in work.items() if not is_right(s)}
    expect(sum(wrong.values()) <= 0.005 * sum(work.values()), f"{how}: callers or names are missing: {wrong}")

    def share(*names):
        return sum(v for s, v in work.items() if all(n in s.split(";") for n in names)) / sum(work.values())

    heavy = share("rust::work::heavy")
    print(f"{how}: heavy {heavy:.3f}, first thread {share('rust::main'):.3f}, {stats['taken']} samples")
    expect(abs(heavy - 0.75) < 0.04, f"{how}: heavy has {heavy:.3f} of the work")
    expect(abs(share("rust::main") - 0.5) < 0.1, f"{how}: the first thread has {share('rust::main'):.3f} of the work")
    for thread in ("rust", "other"):
        own = live.stacks(live.folder / "out.pb.gz", "--focus", "^rust::work::", "--tagfocus", f"thread=^{thread}$")
        expect(own, f"{how}: nothing of the thread {thread}")


def java(live, *flags):
    java_program, javac = needs("java"), needs("javac")
    subprocess.run([javac, "-d", live.folder, PROGRAMS / "Spin.java"], check=True)
    stats, _ = live.record(command=[java_program, *flags, "-cp", live.folder, "Spin", 4])
    return stats


def java_frame_pointers(live):
    whole(java(live, "-XX:+PreserveFramePointer"), 0.97)


def java_interpreted(live):
    whole(java(live, "-Xint"), 0.97)


# The methods stay apart, so that their shares are known.
APART = ("-XX:CompileCommand=quiet", "-XX:CompileCommand=dontinline,Split.*")
FRAMES = "-XX:+PreserveFramePointer"


class Jvm:
    """Split.java in a JVM: Split.heavy does three parts of the work of four, Split.light one."""

    def __init__(self, live, *flags, before=(), rounds=10**9, folder=None):
        self.live = live
        self.folder = folder or live.folder
        if not (live.folder / "Split.class").exists():
            subprocess.run([needs("javac"), "-d", live.folder, PROGRAMS / "Split.java"], check=True)
        live.folder.chmod(0o755)
        self.words = [*before, needs("java"), *flags, *APART, "-cp", self.folder, "Split", str(rounds)]
        self.out = live.folder / "java.txt"

    def __enter__(self):
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(self.words, stdout=out, stderr=out)
        for _ in range(600):
            if "ready" in self.output():
                return self
            expect(self.process.poll() is None, f"java ended: {self.output()}")
            time.sleep(0.1)
        raise Failure(f"java does not start: {self.output()}")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def output(self):
        return self.out.read_text(errors="replace")

    def untouched(self, temporary="/tmp"):
        """Nothing of asking is left, and nothing was printed in the JVM."""
        left = [f for f in os.listdir(temporary) if re.fullmatch(rf"\.attach_pid{self.process.pid}|perf-{self.process.pid}\.map", f)]
        expect(not left, f"left in {temporary}: {left}")
        expect("thread dump" not in self.output(), "the JVM printed a thread dump")


def split(stacks, frequency=599, least=0.95, within=0.0):
    """Shares of Split.heavy and Split.light of all the work: what is known of them, within three sigma and `within`."""
    def share(name):
        return sum(v for s, v in stacks.items() if f"Split.{name}" in s.split(";"))

    heavy, light = share("heavy"), share("light")
    work = sum(v for s, v in stacks.items() if "jni_CallStaticVoidMethod" in s)  # of main
    expect(work > 0 and heavy + light > least * work, f"only {heavy + light} of {work} named: {sorted(stacks)[:3]}")
    samples = (heavy + light) * frequency / 1e9
    within = max(within, 3 * (0.75 * 0.25 / samples) ** 0.5)
    print(f"heavy {heavy / (heavy + light):.3f} +- {within:.3f}, named {(heavy + light) / work:.3f}")
    expect(abs(heavy / (heavy + light) - 0.75) < within, f"heavy {heavy}, light {light}")


def java_names(live):
    """Methods of a JVM that nobody asked before, and that knows nothing of profilers."""
    with Jvm(live, FRAMES) as jvm:
        expect(not os.path.exists(f"/tmp/.java_pid{jvm.process.pid}"), "somebody has attached before")
        stats, stacks = live.record("-p", jvm.process.pid, "-d", 4, "-F", 997)
        split(stacks, 997, within=0.03)
        whole(stats, 0.97)
        unnamed = sum(v for s, v in stacks.items() if "perf-" in s)
        expect(unnamed < 0.02 * sum(stacks.values()), f"{unnamed} of {sum(stacks.values())} unnamed")
        jvm.untouched()
        asked = int(re.search(r"names asked for (\d+)", stats["text"]).group(1))
        expect(1 <= asked <= 4, f"asked {asked} times in four seconds")


def java_command(live):
    """A JVM from its start to its end: there is nobody to ask at the end."""
    jvm = Jvm(live, FRAMES, rounds=8000)
    _, stacks = live.record("-F", 599, command=jvm.words)
    split(stacks, least=0.7, within=0.06)  # at first it is interpreted; what was compiled last has no names


def java_container(live):
    """Another pid, another /tmp."""
    if os.geteuid() != 0:
        raise Skip("only root makes namespaces here")
    script = 'mount -t tmpfs none /tmp && exec "$@"'
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))  # not below the /tmp that it does not see
    folder.chmod(0o755)
    try:
        subprocess.run([needs("javac"), "-d", folder, PROGRAMS / "Split.java"], check=True)
        before = ("unshare", "-m", "-p", "-f", "--mount-proc", "--kill-child", "sh", "-c", script, "sh")
        with Jvm(live, FRAMES, before=before, folder=folder) as jvm:
            children = Path(f"/proc/{jvm.process.pid}/task/{jvm.process.pid}/children").read_text().split()
            inner = Path(f"/proc/{children[0]}/root/tmp")
            _, stacks = live.record("-p", children[0], "-d", 2, "-F", 599)
            split(stacks)
            expect(not [f for f in os.listdir(inner) if f.startswith((".attach", "perf-"))], f"left: {os.listdir(inner)}")
            jvm.untouched()
    finally:
        shutil.rmtree(folder)


def java_other_user(live):
    """Another user's, in a user namespace that knows nothing of ours, too."""
    if os.geteuid() != 0:
        raise Skip("only root is everybody")
    other = ("setpriv", "--reuid", "4321", "--regid", "4321", "--clear-groups")
    for before in (other, (*other, "unshare", "--user", "--map-root-user")):
        with Jvm(live, FRAMES, before=before) as jvm:
            _, stacks = live.record("-p", jvm.process.pid, "-d", 2, "-F", 599)
            split(stacks)
            jvm.untouched()


def java_disabled(live):
    """Who does not want it is left alone, and the reason is told."""
    with Jvm(live, FRAMES, "-XX:+DisableAttachMechanism") as jvm:
        stats, stacks = live.record("-p", jvm.process.pid, "-d", 1)
        expect("DisableAttachMechanism" in stats["text"], f"no reason: {stats['text']}")
        expect(not any("Split" in s for s in stacks), "there are names")
        expect(not os.path.exists(f"/tmp/.java_pid{jvm.process.pid}"), "it listens")
        jvm.untouched()
        stats, _ = live.record("-p", jvm.process.pid, "-d", 1, "--no-java-attach")
        expect("Java" not in stats["text"], f"it was asked: {stats['text']}")


def java_default_flags(live):
    """Compiled code without frame pointers: callers are missing, and every such stack says so."""
    with Jvm(live) as jvm:
        live.record("-p", jvm.process.pid, "-d", 2, "-F", 599)
        out = live.folder / "out.pb.gz"
        everything = sum(live.stacks(out, "--focus", r"^Split\.").values())
        marked = sum(live.stacks(out, "--focus", r"^Split\.", "--tagfocus", "incomplete=.").values())
        expect(everything > 0 and marked == everything, f"{marked} of {everything} marked")
    with Jvm(live, FRAMES) as jvm:
        live.record("-p", jvm.process.pid, "-d", 1, "-F", 599)
        marked = live.stacks(live.folder / "out.pb.gz", "--tagfocus", "incomplete=compiled Java")
        expect(not marked, f"marked, although frame pointers are kept: {marked}")


def node(live):
    script = ("const end = Date.now() + 3000; let s = 0;"
              "function leaf() { for (let i = 0; i < 1e5; i++) s += i % 7; }"
              "function level(d) { d ? level(d - 1) : leaf(); }"
              "while (Date.now() < end) level(6);")
    stats, _ = live.record(command=[needs("node"), "-e", script])
    whole(stats, 0.97)


def python(live):
    """CPython's native frames."""
    interpreter = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    stats, _ = live.record(command=[interpreter, "-c",
                                    "import time, re\nend = time.time() + 3\n"
                                    "while time.time() < end: re.findall('(a+)+b', 'aaab' * 50)"])
    whole(stats, 0.99)


def python_with_trampolines():
    versions = sorted(Path.home().glob(".pyenv/versions/*/bin/python3"))
    for interpreter in [*versions, *filter(None, map(shutil.which, ("python3.13", "python3.12", "python3")))]:
        probe = subprocess.run([interpreter, "-X", "perf", "-c", "import sys; print(sys.is_stack_trampoline_active())"],
                               capture_output=True, text=True)
        if probe.stdout.strip() == "True":
            return interpreter
    raise Skip("no Python 3.12 or newer with trampolines here")


def python_perf(live, *words, least=0.95):
    """CPython's perf trampolines, which keep no frame pointer: whole stacks, the Python functions named."""
    interpreter = python_with_trampolines()
    script = live.folder / "work.py"
    script.write_text("import os, time\n"
                      "def leaf(n):\n    s = 0\n    for i in range(n): s += i % 7\n    return s\n"
                      "def middle(d): return leaf(2000) if d == 0 else middle(d - 1)\n"
                      "def top():\n    end = time.time() + 2\n    while time.time() < end: middle(5)\n"
                      "def parent():\n    child = os.fork()\n    top()\n"
                      "    if child: os.wait()\n    else: os._exit(0)\n"
                      "parent()\n")
    stats, stacks = live.record(*words, "-F", 299, command=[interpreter, "-X", "perf", script])
    for names in Path("/tmp").glob("perf-*.map"):  # Python leaves them
        if str(script) in names.read_text(errors="replace"):
            names.unlink()
    whole(stats, least)
    total = sum(stacks.values())
    # The child's outer frames are of memory that its parent made, and named.
    named = sum(v for s, v in stacks.items() if f"py::parent:{script};" in s and f"py::top:{script};" in s and
                s.count(f"py::middle:{script};") == 6 and f"py::leaf:{script}" in s)
    expect(named > 0.8 * total, f"{named} of {total} with the Python functions: {sorted(stacks)[:2]}")


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
        expect(total > 300, f"only {total} {kind} frames")
        expect(sum(by.values()) >= least, f"{sum(by.values()):.1%} of {kind} frames have a name: {rest}")


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
    shares, cpu_budget, cpu_hotplug, in_signal, in_kernel, as_old, whole_host, name_rule, name_of_program, cgroup, pid_namespace, many, lost_news,
    nothing_left,
    deepflow, total,
    go, rust, java_frame_pointers, java_interpreted, java_names, java_command, java_container, java_other_user, java_disabled,
    java_default_flags, node, python, python_perf, names)}


def judge(*steps):
    """Ends the program with what the steps say: nothing, a reason to skip, or a failure."""
    try:
        for step in steps:
            step()
    except Skip as reason:
        print(f"skipped: {reason}", file=sys.stderr)
        sys.exit(SKIP)
    except Failure as failure:
        sys.exit(f"failed: {failure}")


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in CASES:
        sys.exit(f"usage: live.py {{{','.join(CASES)}}} TOOL [RECORDER]")
    with tempfile.TemporaryDirectory() as folder:
        live = Live(os.path.abspath(sys.argv[2]), folder)
        live.recorder = os.path.abspath(sys.argv[-1])
        judge(live.check_machine, lambda: CASES[sys.argv[1]](live))


if __name__ == "__main__":
    main()
