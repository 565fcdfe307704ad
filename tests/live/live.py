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
    stats, stacks = live.record("--per-thread", "-F", 997, command=[program, 2])
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


def cpu_time(pid):
    """User and system time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    ours = sum(live.stacks(live.folder / "out.pb.gz", "--tagfocus", "process=^shares$").values()) / 1e9
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


CASES = {f.__name__: f for f in (shares, in_signal, whole_host, name_rule, cgroup, nothing_left, go, java_frame_pointers,
                                 java_interpreted, java_names, java_command, java_container, java_other_user,
                                 java_disabled, java_default_flags, node, python)}


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
