#!/usr/bin/env python3
"""Names and bounds of functions in this machine's binaries, against binutils.

- Symbols: at the first, a middle and the last byte of every sized function that `nm -S` lists, one of its names there.
- PLT: at every entry that `objdump -d` calls name@plt, the same (both read relocations, by different ways).
- Bounds: the functions of .eh_frame as `readelf --debug-dump=frames` lists them.
- No guesses: an address behind the last symbol and in no function has no name.
- Without sections the dynamic segment must give the same names.
"""

import argparse
import bisect
import glob
import re
import shutil
import subprocess
import sys

PATTERNS = ["/usr/bin/python3.*[0-9]", "/usr/bin/bash", "/usr/bin/perl", "/usr/bin/dash", "/usr/bin/ls", "/usr/bin/gcc-1*",
            "/lib/*-linux-gnu/libc.so.6", "/lib/*-linux-gnu/libstdc++.so.6", "/lib/*-linux-gnu/libz.so.1",
            "/lib/*-linux-gnu/libcrypto.so.3", "/lib/*-linux-gnu/ld-linux*.so.*",
            "/usr/aarch64-linux-gnu/lib/libc.so.6", "/usr/aarch64-linux-gnu/lib/libstdc++.so.6"]
SHOWN = 5


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, **more).stdout


def sized_symbols(path):
    """[(start, end, name, kind)] of functions, of both tables."""
    found = []
    for words in (["nm", "-S"], ["nm", "-S", "-D"]):
        for line in run(*words, "--defined-only", path).splitlines():
            fields = line.split()
            if len(fields) == 4 and fields[2] in "tTwWi":
                found.append((int(fields[0], 16), int(fields[0], 16) + int(fields[1], 16), fields[3].split("@")[0]))
    return found


def executable_ranges(path):
    return [(int(at, 16), int(at, 16) + int(size, 16))
            for at, size in re.findall(r"LOAD\s+\S+ (0x\S+) \S+\s+\S+ (0x\S+) R.E", run("readelf", "-lW", path))]


def our_names(tool, path, addresses, *words):
    done = run(tool, *words, path, input="".join(f"{a:x}\n" for a in addresses))
    return done.splitlines()


class Report:
    def __init__(self):
        self.wrong = 0
        self.checked = 0

    def check(self, fine, text):
        self.checked += 1
        if not fine:
            self.wrong += 1
            if self.wrong <= SHOWN:
                print("   ", text)


def compare_symbols(tool, path, report):
    symbols = sized_symbols(path)
    if not symbols:
        return 0
    # Where symbols overlap an inner one is right as well: any that covers the address will do.
    symbols.sort()
    starts = [s[0] for s in symbols]
    longest = max(end - start for start, end, _ in symbols)
    step = max(1, len(symbols) // 6000)
    wanted = [a for start, end, _ in symbols[::step] if end > start for a in (start, (start + end) // 2, end - 1)]
    text = executable_ranges(path)
    wanted = [a for a in wanted if any(low <= a < high for low, high in text)]
    answers = our_names(tool, path, wanted)
    without = our_names(tool, path, wanted, "--dynamic")
    report.check(len(answers) == len(wanted) == len(without), f"{len(answers)} answers to {len(wanted)} addresses")
    is_stripped = not run("nm", path)
    for address, answer, bare in zip(wanted, answers, without):
        at = bisect.bisect_right(starts, address)
        covering = set()
        while at > 0 and starts[at - 1] >= address - longest:
            at -= 1
            if symbols[at][0] <= address < symbols[at][1]:
                covering.add(symbols[at][2])
        name = answer.removeprefix("symbol ")
        report.check(answer.startswith("symbol ") and name.split("@")[0] in covering,
                     f"{address:#x}: {answer}, nm says {sorted(covering)[:3]}")
        report.check(bare == answer or not is_stripped, f"{address:#x} is {answer}, without sections {bare}")
    return len(wanted)


def compare_plt(tool, disassembler, path, report):
    """Entries by objdump."""
    sections = [s for s in re.findall(r"\] (\.plt\S*)", run("readelf", "-SW", path))]
    entries = {}
    for section in sections:
        for address, name in re.findall(r"^([0-9a-f]+) <(\S+)@plt>:", run(disassembler, "-d", "-j", section, path), re.M):
            entries[int(address, 16)] = name
    # objdump numbers the entries, and takes the stub of TLS descriptors for more of them.
    descriptors = {n.split("@")[0] for n in re.findall(r"_TLSDESC +\S+ +(\S+)", run("readelf", "-rW", path))}
    entries = {a: n for a, n in entries.items() if not n.startswith("*ABS*") and n.split("@")[0] not in descriptors}
    wanted = [a + more for a in entries for more in (0, 6)]
    answers = our_names(tool, path, wanted)
    report.check(len(answers) == len(wanted), "answers are missing")
    for address, answer in zip(wanted, answers):
        name = entries.get(address, entries.get(address - 6)).split("@")[0]
        report.check(answer == f"symbol {name}@plt", f"{address:#x}: {answer}, objdump says {name}@plt")
    return len(entries)


def compare_bounds(tool, path, report):
    theirs = {(int(a, 16), int(b, 16))
              for a, b in re.findall(r" FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)", run("readelf", "--debug-dump=frames", path))}
    text = executable_ranges(path)
    theirs = {(a, b) for a, b in theirs if a < b and any(low <= a < high for low, high in text)}
    ours = {tuple(int(x, 16) for x in line.split()) for line in run(tool, "--bounds", path).splitlines()}
    report.check(ours == theirs, f"{len(ours)} functions, readelf has {len(theirs)}: "
                                 f"{[tuple(map(hex, x)) for x in sorted(ours ^ theirs)[:4]]}")
    return theirs


def compare_holes(tool, path, functions, report):
    """What nobody covers has no name."""
    symbols = sized_symbols(path)
    ends = sorted({end for _, end, _ in symbols} | {end for _, end in functions})
    covered = sorted((s[0], s[1]) for s in symbols) + sorted(functions)
    covered.sort()
    starts, reach, furthest = [], [], 0
    for start, end in covered:
        furthest = max(furthest, end)
        starts.append(start)
        reach.append(furthest)
    holes = []
    for end in ends:
        at = bisect.bisect_right(starts, end)
        if at == 0 or reach[at - 1] <= end:
            holes.append(end)
    answers = our_names(tool, path, holes)
    zero_sized = {int(line.split()[0], 16) for words in (["nm"], ["nm", "-D"])
                  for line in run(*words, "--defined-only", path).splitlines() if re.match(r"^[0-9a-f]{16} [tTwWi] ", line)}
    for hole, answer in zip(holes, answers):
        report.check(answer == "none" or answer.endswith("@plt") or hole in zero_sized,
                     f"{hole:#x} is in a hole: {answer}")
    return len(holes)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    if not all(shutil.which(tool) for tool in ("nm", "objdump", "readelf")):
        print("skipped: no binutils", file=sys.stderr)
        return 77
    files = args.files or [found for pattern in PATTERNS for found in sorted(glob.glob(pattern))[:1]]
    if not files:
        print("skipped: none of the binaries is here", file=sys.stderr)
        return 77
    wrong = 0
    for path in files:
        report = Report()
        is_arm = "AArch64" in run("readelf", "-h", path)
        disassembler = shutil.which("aarch64-linux-gnu-objdump") if is_arm else "objdump"
        symbols = compare_symbols(args.ours, path, report)
        plt = compare_plt(args.ours, disassembler, path, report) if disassembler else 0
        functions = compare_bounds(args.ours, path, report)
        holes = compare_holes(args.ours, path, functions, report)
        print(f"{path}: {symbols} addresses in symbols, {plt} PLT entries, {len(functions)} functions by bounds, "
              f"{holes} holes; {report.wrong} of {report.checked} wrong")
        wrong += report.wrong
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
