"""What the live tests share: recording with the tool, reading what came out, and how a case ends."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import loads

PROGRAMS = loads.PROGRAMS
SKIP = 77
ATTEMPTS = 3


class Skip(Exception):
    pass


class Failure(Exception):
    pass


class Unlucky(Failure):
    """A measured share, time or count is not what it should be: another program may have had the machine."""


def expect(condition, text):
    """For what is right or wrong whatever else runs."""
    if not condition:
        raise Failure(text)


def expect_measured(condition, text):
    """For shares, times and counts: the case is run again, and fails when it is so every time."""
    if not condition:
        raise Unlucky(text)


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
    expect_measured(share >= least, f"only {share:.1%} of the stacks are whole:\n{stats['text']}")
    return share


def expect_in_kernel(stacks, least=0.9):
    total = sum(stacks.values())
    through = sum(v for s, v in stacks.items()
                  if "vfs_read" in s.split(";") and s.split(";").count("reading") == 6 and "main" in s.split(";"))
    expect_measured(through > least * total, f"{through} of {total} in read(2): {sorted(stacks)[:3]}")


def cpu_time(pid):
    """User and system time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def needs(program, *candidates):
    for candidate in (program, *candidates):
        found = shutil.which(candidate)
        if found:
            return found
    raise Skip(f"no {program} here")


def attempt(case, make, *before, attempts=ATTEMPTS, name="case"):
    """Runs `before` and the case, each time in a folder of its own. Returns the Skip or Failure that ended it, or None."""
    for number in range(1, attempts + 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                made = make(folder)
                for step in before:
                    step(made)
                case(made)
                return None
            except Unlucky as failure:
                print(f"{name}: failed, attempt {number} of {attempts}: {failure}", file=sys.stderr, flush=True)
            except (Skip, Failure) as end:
                return end
    return Failure(f"in each of {attempts} attempts")


def run_case(case, make_live, *before):
    """Ends the program with a reason to skip or a failure."""
    end = attempt(case, make_live, *before, name=case.__name__)
    if isinstance(end, Skip):
        print(f"skipped: {end}", file=sys.stderr)
        sys.exit(SKIP)
    if end is not None:
        sys.exit(f"failed: {end}")
