"""Programs of languages with run times of their own: Go, Rust, Java, JavaScript, Python."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import PROGRAMS, Failure, Skip, expect, expect_measured, needs, whole


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
    expect_measured(stats["lost"] == 0, "samples were lost")
    cut = live.stacks(live.folder / "out.pb.gz", "--focus", "^rust::", "--tagfocus", "incomplete")
    work = {s: v for s, v in stacks.items() if "rust::work::" in s}
    expect_measured(sum(cut.values()) <= 0.005 * sum(work.values()), f"{how}: stacks of the work are cut: {cut}")
    expect_measured(sum(work.values()) > 0.9 * sum(stacks.values()), f"{how}: no names: {sorted(stacks)[:3]}")
    level = re.compile(r"<rust::Generic<[^;]+> as rust::Step>::level")

    def is_right(stack):
        frames = stack.split(";")
        return (sum(bool(level.fullmatch(f)) for f in frames) == 9 and "rust::sorted" in frames and
                not [f for f in frames if re.search(r"_R|_ZN|17h[0-9a-f]{16}|\.llvm\.|0x[0-9a-f]+|fn_", f)])

    wrong = {s: v for s, v in work.items() if not is_right(s)}
    expect_measured(sum(wrong.values()) <= 0.005 * sum(work.values()), f"{how}: callers or names are missing: {wrong}")

    def share(*names):
        return sum(v for s, v in work.items() if all(n in s.split(";") for n in names)) / sum(work.values())

    heavy = share("rust::work::heavy")
    print(f"{how}: heavy {heavy:.3f}, first thread {share('rust::main'):.3f}, {stats['taken']} samples")
    expect_measured(abs(heavy - 0.75) < 0.04, f"{how}: heavy has {heavy:.3f} of the work")
    expect_measured(abs(share("rust::main") - 0.5) < 0.1, f"{how}: the first thread has {share('rust::main'):.3f} of the work")
    for thread in ("rust", "other"):
        own = live.stacks(live.folder / "out.pb.gz", "--focus", "^rust::work::", "--tagfocus", f"thread=^{thread}$")
        expect_measured(own, f"{how}: nothing of the thread {thread}")


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
    expect_measured(work > 0 and heavy + light > least * work, f"only {heavy + light} of {work} named: {sorted(stacks)[:3]}")
    samples = (heavy + light) * frequency / 1e9
    within = max(within, 3 * (0.75 * 0.25 / samples) ** 0.5)
    print(f"heavy {heavy / (heavy + light):.3f} +- {within:.3f}, named {(heavy + light) / work:.3f}")
    expect_measured(abs(heavy / (heavy + light) - 0.75) < within, f"heavy {heavy}, light {light}")


def java_names(live):
    """Methods of a JVM that nobody asked before, and that knows nothing of profilers."""
    with Jvm(live, FRAMES) as jvm:
        expect(not os.path.exists(f"/tmp/.java_pid{jvm.process.pid}"), "somebody has attached before")
        stats, stacks = live.record("-p", jvm.process.pid, "-d", 4, "-F", 997)
        split(stacks, 997, within=0.03)
        whole(stats, 0.97)
        unnamed = sum(v for s, v in stacks.items() if "perf-" in s)
        expect_measured(unnamed < 0.02 * sum(stacks.values()), f"{unnamed} of {sum(stacks.values())} unnamed")
        jvm.untouched()
        asked = int(re.search(r"names asked for (\d+)", stats["text"]).group(1))
        expect_measured(1 <= asked <= 4, f"asked {asked} times in four seconds")


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
            inner = Path("/proc", children[0], "root", "tmp")
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
        expect_measured(everything > 0 and marked == everything, f"{marked} of {everything} marked")
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
    expect_measured(named > 0.8 * total, f"{named} of {total} with the Python functions: {sorted(stacks)[:2]}")


CASES = (go, rust, java_frame_pointers, java_interpreted, java_names, java_command, java_container, java_other_user,
         java_disabled, java_default_flags, node, python, python_perf)
