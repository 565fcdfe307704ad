#!/usr/bin/env python3
"""Lets the sampler of a host (programs/soak_host.c, which drains a window every five seconds) run over processes that
come and go: compilers, what they compiled, interpreters, threads, libraries loaded and dropped. Then memory and
descriptors are flat (of a run of three minutes or more), no BPF map is more than before, every sample is accounted for
and hardly a process was missed.
The whole host is sampled: to say something, the machine should do nothing else.

Usage: soak.py [--minutes 30] [--drain 5] [--host PROGRAM] PROFCORE
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent / "programs"
FLAT_MINUTES = 3  # a shorter run has seen too few of the files and processes twice
NAMES_OF_A_FILE = 32  # KiB, on average: small programs and large libraries
CHUNK_BYTES = 4 << 20  # of unwind rows: each is a map, up to the budget


class Churn:
    """Workers that start short processes one after the other."""

    def __init__(self, folder, workers):
        self.folder = Path(folder)
        self.stopping = threading.Event()
        self.started = 0
        self.lock = threading.Lock()
        compiler = os.environ.get("CC", "cc").split()
        self.compiler = compiler
        self.churn = self.folder / "churn"
        subprocess.run([*compiler, "-O1", "-o", self.churn, PROGRAMS / "churn.c", "-lpthread", "-ldl"], check=True)
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(workers)]

    def commands(self, worker, round_number):
        source = self.folder / f"made{worker}.c"
        program = self.folder / f"made{worker}-{round_number}"
        source.write_text(f"#include <stdio.h>\nint main(void) {{ volatile long s = 0;"
                          f" for (long i = 0; i < 2000000; ++i) s += i * {round_number + 1};"
                          f" return printf(\"%ld\\n\", s) < 0; }}\n")
        yield [*self.compiler, "-O1", "-g", "-o", program, source]
        yield [program]
        yield ["/usr/bin/env", "python3", "-c", "import json, re; re.findall('a+b', 'aaab' * 20000)"]
        yield ["perl", "-e", "my $s = 0; $s += $_ for 1..200000;"]
        yield ["ls", "-lR", "/usr/lib"]
        yield [self.churn, "100", "libm.so.6", "libz.so.1", "libcrypto.so.3", "libstdc++.so.6"]
        yield ["sh", "-c", "for i in 1 2 3 4 5; do ls / | sort | tail -1; done"]
        yield ["rm", "-f", program]

    def work(self, worker):
        for round_number in range(1 << 30):
            for command in self.commands(worker, round_number):
                if self.stopping.is_set():
                    return
                try:
                    subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   check=False)
                except OSError:
                    continue  # not installed
                with self.lock:
                    self.started += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def print_row(line, before, started):
    seconds = line["seconds"] - before["seconds"] or 1
    user = line["taken"] - line["without_user"]
    print(f"{line['seconds'] / 60:6.1f} {line['rss_kb'] / 1024:7.1f} {line['anon_kb'] / 1024:7.1f} {line['heap_kb'] / 1024:7.1f} "
          f"{line['row_bytes'] / 1e6:6.1f} {line['descriptors']:5d} {line['maps']:5d} {line['processes']:6d} "
          f"{line['modules']:7d} {started:8d} {line['taken']:9d} {line['lost_counts'] + line['lost_stacks']:5d} "
          f"{line['unregistered']:6d} {100 * line['complete'] / max(user, 1):6.1f} {line['frequency']:4d} "
          f"{(line['cpu_ms'] - before['cpu_ms']) / seconds / 10:6.2f} "
          f"{(line['bpf_ns'] - before['bpf_ns']) / seconds / 1e7:6.3f}", flush=True)


def check(lines, minutes):
    """What is wrong, as sentences."""
    wrong = []
    last = lines[-1]
    if last["taken"] != last["delivered"] + last["lost_counts"]:
        wrong.append(f"of {last['taken']} samples {last['delivered']} were delivered and {last['lost_counts']} lost")
    if last["seen"] != last["delivered"]:
        wrong.append(f"{last['delivered']} samples are said to be delivered, {last['seen']} are in the profiles")
    if last["failed_registrations"] != 0:
        wrong.append(f"{last['failed_registrations']} times the kernel had no room for a process")
    if last["lost_records"] != 0:  # the machine was too busy for the host; what was missed is read from /proc
        print(f"{last['lost_records']} records about processes were lost")
    if last["unregistered"] > last["taken"] * 0.03:
        wrong.append(f"{last['unregistered']} of {last['taken']} samples are of processes that were not known")
    if last["lost_counts"] + last["lost_stacks"] > last["taken"] / 100:
        wrong.append(f"{last['lost_counts']} + {last['lost_stacks']} of {last['taken']} samples lost")
    if last["taken"] < 10 * minutes * 60:
        wrong.append(f"only {last['taken']} samples")

    # The first fifth, but no more than two minutes, is for files seen for the first time.
    warm = [line for line in lines if line["seconds"] > min(120, minutes * 12)]
    half = len(warm) // 2
    first, second = warm[:half], warm[half:]
    if half == 0:
        return wrong + ["too few windows to compare"]

    def middle(part, value):
        return statistics.median(value(line) for line in part)

    def grows(what, value, ratio, room):
        was, has = middle(first, value), middle(second, value)
        print(f"{what}: {was:.0f} in the first half, {has:.0f} in the second")
        if has > was * ratio + room and minutes >= FLAT_MINUTES:
            wrong.append(f"{what} grew from {was:.0f} to {has:.0f}")

    # Names of files are kept under a budget: those of a file seen for the first time are no leak.
    fresh = middle(second, lambda line: line["modules"]) - middle(first, lambda line: line["modules"])
    print(f"{fresh:.0f} files were new from half to half; they may have {NAMES_OF_A_FILE:.0f} KiB each")
    room = (1024 if minutes >= 5 else 4096) + fresh * NAMES_OF_A_FILE
    grows("heap in use, KiB", lambda line: line["heap_kb"], 1.02, room)
    grows("anonymous memory, KiB", lambda line: line["anon_kb"], 1.02, room + 2048)
    grows("descriptors beside the row pool", lambda line: line["descriptors"] - line["row_bytes"] // CHUNK_BYTES, 1.02,
          4 + fresh / 8)
    grows("BPF maps beside the row pool", lambda line: line["maps"] - line["row_bytes"] // CHUNK_BYTES, 1, 0)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--drain", type=float, default=5, help="seconds of a window")
    parser.add_argument("--workers", type=int, default=max(2, os.cpu_count() or 2))
    parser.add_argument("--host", help="the built soak_host (default: beside the tool in its build folder)")
    parser.add_argument("profcore", type=Path)
    arguments = parser.parse_args()
    host = arguments.host or arguments.profcore.resolve().parents[2] / "tests" / "live" / "soak_host"
    needs = json.loads(subprocess.run([arguments.profcore, "check", "--json"], capture_output=True, text=True,
                                      check=True).stdout)["recording"]
    for need in needs:
        if need["hard"] and not need["met"]:
            print(f"skipped: no {need['need']} ({need['have']})", file=sys.stderr)
            sys.exit(1 if os.environ.get("PROFCORE_REQUIRE_BPF") == "1" else 77)

    lines = []
    with tempfile.TemporaryDirectory() as folder, Churn(folder, arguments.workers) as churn:
        print(" min     rss    anon    heap   rows   fds  maps  procs modules  started     taken  lost  unreg  whole   Hz"
              "  cpu %  bpf %")
        sampled = subprocess.Popen([host, str(arguments.minutes * 60), str(arguments.drain)],
                                   stdout=subprocess.PIPE, text=True)
        printed = {"seconds": 0, "cpu_ms": 0, "bpf_ns": 0}
        for text in sampled.stdout:
            lines.append(json.loads(text))
            if lines[-1]["seconds"] - printed["seconds"] >= min(60, arguments.minutes * 12) - 1:
                print_row(lines[-1], printed, churn.started)
                printed = lines[-1]
        status = sampled.wait()
    if status != 0 or not lines:
        sys.exit(f"failed: the host ended with {status}")
    wrong = check(lines, arguments.minutes)
    if wrong:
        sys.exit("failed: " + "; ".join(wrong))
    print("flat" if arguments.minutes >= FLAT_MINUTES else "every sample is accounted for; too short to say more")


if __name__ == "__main__":
    main()
