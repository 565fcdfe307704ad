#!/usr/bin/env python3
"""Records real programs on this kernel with the tool and looks at what came out.

Usage: live.py CASE TOOL. Where the kernel or the user may not run BPF the case is skipped (77) with
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
    def __init__(self, tool, folder):
        self.tool = tool
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
        words = [self.tool, "record", *map(str, words), "--stats", "-o", out]
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
        stacks = {}
        for line in done.stdout.splitlines():
            stack, _, value = line.rpartition(" ")
            stacks[stack] = stacks.get(stack, 0) + int(value)
        return stacks

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


def whole(stats, least=1.0):
    expect(stats["user"] > 0, "no user stacks")
    share = stats["complete"] / stats["user"]
    expect(share >= least, f"only {share:.1%} of the stacks are whole:\n{stats['text']}")
    return share


def shares(live):
    """Known shares of functions and threads, complete stacks, nothing lost."""
    program = live.compile("shares.c")
    stats, stacks = live.record("--per-thread", "-F", 499, command=[program, 4])
    whole(stats, 0.995)  # a tick in the first millisecond may come before the program's mappings are known
    expect(stats["lost"] == 0, "samples were lost")
    total = sum(stacks.values())
    cut = live.stacks(live.folder / "out.pb.gz", "--focus", "^level$", "--tagfocus", "incomplete")
    expect(not cut, f"stacks of the work are cut: {cut}")

    def share(*names):
        return sum(v for s, v in stacks.items() if all(n in s.split(";") for n in names)) / total

    heavy, light = share("heavy"), share("light")
    print(f"heavy {heavy:.3f}, light {light:.3f}, of {stats['taken']} samples; {stats['us']} us a sample")
    expect(abs(heavy / (heavy + light) - 0.75) < 0.02, f"heavy is {heavy:.3f}, light {light:.3f}")
    first = share("main")
    expect(0.4 < first < 0.6, f"the first thread has {first:.3f} of the work: {sorted(stacks)[:3]}")
    deep = [s for s in stacks if "heavy" in s.split(";")]
    expect(all(s.split(";").count("level") == 9 for s in deep), f"not nine levels: {deep[:2]}")


def in_signal(live):
    """Through a signal frame to the root."""
    program = live.compile("in_signal.c")
    stats, stacks = live.record(command=[program, 2])
    whole(stats)
    total = sum(stacks.values())
    through = sum(v for s, v in stacks.items()
                  if "on_signal" in s.split(";") and s.split(";").count("interrupted") == 6 and "main" in s.split(";"))
    expect(through > 0.9 * total, f"{through} of {total} through the handler: {sorted(stacks)[:3]}")


def whole_host(live):
    """Every process; every sample accounted for; the kernel named."""
    program = live.compile("shares.c")
    worker = subprocess.Popen([program, "5"])
    stats, stacks = live.record("--all", "-d", 3)
    worker.wait()
    whole(stats, 0.8)
    ours = live.stacks(live.folder / "out.pb.gz", "--tagfocus", "process=^shares$")
    total = sum(stacks.values())
    expect(sum(ours.values()) > 0.3 * total, f"{sum(ours.values())} of {total} in the busy process")


def name_rule(live):
    """Processes by a pattern, also those that start later; nobody else."""
    program = live.compile("shares.c")
    renamed = live.folder / "chosen-one"
    shutil.copy(program, renamed)
    other = subprocess.Popen([program, "5"])
    out = live.folder / "name.pb.gz"
    recording = subprocess.Popen([live.tool, "record", "--name", "^chosen", "-d", "4", "-q", "-o", out])
    time.sleep(1)
    subprocess.run([renamed, "2"], check=True)
    recording.wait()
    other.wait()
    everything = sum(live.stacks(out).values())
    chosen = sum(live.stacks(out, "--tagfocus", "process=^chosen-one$").values())
    expect(everything > 0.5e9, f"the process that started later was not sampled: {everything}")
    expect(chosen == everything, f"others were sampled: {chosen} of {everything}")


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
    other = subprocess.Popen([program, "4"])
    try:
        inside = subprocess.Popen(["sh", "-c", f"echo $$ > {folder}/cgroup.procs; exec {program} 4"])
        stats, stacks = live.record("--cgroup", folder, "-d", 3)
        ours = live.stacks(live.folder / "out.pb.gz", "--tagfocus", f"pid={inside.pid}:{inside.pid}")
        inside.wait()
        expect(stats["taken"] > 50, f"too few samples: {stats['text']}")
        expect(sum(ours.values()) > 0.95 * sum(stacks.values()), f"{ours} of {stacks}")
    finally:
        other.wait()
        folder.rmdir()


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
    expect(int(re.search(r"^news lost\s+(\d+)", text, re.M).group(1)) > 0, f"nothing was lost: {text}")
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


def java(live, *flags):
    java_program, javac = needs("java"), needs("javac")
    subprocess.run([javac, "-d", live.folder, PROGRAMS / "Spin.java"], check=True)
    stats, _ = live.record(command=[java_program, *flags, "-cp", live.folder, "Spin", 4])
    return stats


def java_frame_pointers(live):
    whole(java(live, "-XX:+PreserveFramePointer"), 0.97)


def java_interpreted(live):
    whole(java(live, "-Xint"), 0.97)


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


CASES = {f.__name__: f for f in (shares, in_signal, whole_host, name_rule, cgroup, many, lost_news, nothing_left, go, java_frame_pointers,
                                 java_interpreted, node, python)}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in CASES:
        sys.exit(f"usage: live.py {{{','.join(CASES)}}} TOOL")
    with tempfile.TemporaryDirectory() as folder:
        live = Live(os.path.abspath(sys.argv[2]), folder)
        try:
            live.check_machine()
            CASES[sys.argv[1]](live)
        except Skip as reason:
            print(f"skipped: {reason}", file=sys.stderr)
            sys.exit(SKIP)
        except Failure as failure:
            sys.exit(f"failed: {failure}")


if __name__ == "__main__":
    main()
