#!/usr/bin/env python3
"""Records on another kernel, or another machine, in an emulator.

Usage: emulated.py [--machine x86_64|aarch64] [--sysroot FOLDER] [--seconds N] KERNEL TOOL

KERNEL is a kernel image (vmlinuz out of a distribution's package, nothing installed), TOOL a built `profcore` for that
machine; FOLDER is where its libraries are when they are not this system's. A machine is booted that has nothing but the
tool, a busybox and the programs of this folder; it records them, and what comes out is judged here as by live.py. Needs
qemu-system, busybox-static (of that machine: FOLDER/bin/busybox) and the machine's C compiler. Not in the default run:
without hardware support it takes minutes.
"""

import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import PROGRAMS, Failure, Live, expect, expect_in_kernel, folded, whole

MACHINES = {
    "x86_64": {
        "triplet": "x86_64-linux-gnu",
        "compiler": ["gcc"],
        "emulator": ["qemu-system-x86_64", "-cpu", "max"],
        "console": "ttyS0",
    },
    "aarch64": {
        "triplet": "aarch64-linux-gnu",
        "compiler": ["aarch64-linux-gnu-gcc"],
        "emulator": ["qemu-system-aarch64", "-machine", "virt", "-cpu", "max,pauth-impdef=on"],
        "console": "ttyAMA0",
    },
}

INIT = """#!/bin/busybox sh
export PATH=/bin LD_LIBRARY_PATH=/lib
busybox mount -t proc proc /proc
busybox --install -s /bin
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /tmp
echo "=== check"
profcore check
for program in $(busybox ls /programs); do
  for times in first again; do
    [ $times = again ] && [ $program != shares ] && continue
    echo "=== record $program $times"
    busybox time -p profcore record {options} --stats -q -o /tmp/out.pb.gz -- /programs/$program {seconds} 2>&1
    echo "=== stacks $program $times"
    profcore convert /tmp/out.pb.gz --to collapsed -o - 2>/dev/null
  done
done
echo "=== all"
/programs/shares 60 &
profcore record {options} --stats -q -a -d {seconds} -o /tmp/all.folded 2>&1
echo "=== cgroup"
mkdir /cgroup && mount -t cgroup2 cgroup2 /cgroup && mkdir /cgroup/ours
sh -c 'echo $$ > /cgroup/ours/cgroup.procs; exec /programs/in_kernel 30' &
profcore record {options} --stats -q --cgroup /cgroup/ours -d {seconds} -o /tmp/out.pb.gz 2>&1
echo "=== stacks cgroup"
profcore convert /tmp/out.pb.gz --to collapsed -o - 2>/dev/null
echo "=== memory"
busybox grep -E 'Percpu|Slab|VmallocUsed' /proc/meminfo
echo "=== log"
busybox dmesg | busybox grep -iE 'warn|bug|bpf|oops|rcu' | busybox head -20
echo "=== end"
busybox poweroff -f
"""


def needed(file, readelf):
    text = subprocess.run([readelf, "-dl", file], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    interpreter = re.search(r"interpreter: (\S+)\]", text)
    return names, interpreter.group(1) if interpreter else None


def copy_with_libraries(file, root, folders, readelf):
    """The file's libraries, all into /lib; its interpreter where it wants it."""
    waiting, seen = [file], set()
    while waiting:
        names, interpreter = needed(waiting.pop(), readelf)
        if interpreter:
            names.append(Path(interpreter).name)
            target = root / interpreter.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.parent != root / "lib" and not target.is_symlink():
                target.symlink_to("/lib/" + target.name)
        for name in set(names) - seen:
            seen.add(name)
            found = next((f / name for f in folders if (f / name).exists()), None)
            if found is None:
                raise Failure(f"no {name} in {', '.join(map(str, folders))}")
            shutil.copy(found, root / "lib" / name)
            waiting.append(found)


def make_system(root, machine, given):
    for folder in ("bin", "lib", "proc", "sys", "tmp", "dev", "programs"):
        (root / folder).mkdir()
    triplet = machine["triplet"]
    base = Path(given.sysroot or "/")
    readelf = shutil.which(f"{triplet}-readelf") or "readelf"
    library = Path(given.tool).resolve().parent / "../../lib/capi"
    folders = [library.resolve(), *(base / f for f in (f"lib/{triplet}", f"usr/lib/{triplet}", "lib", "lib64"))]
    shutil.copy(base / "bin/busybox", root / "bin/busybox")
    shutil.copy(given.tool, root / "bin/profcore")
    copy_with_libraries(given.tool, root, folders, readelf)
    sysroot = [f"--sysroot={base}"] if given.sysroot else []
    for name in ("shares.c", "in_signal.c", "in_kernel.c"):
        program = root / "programs" / name.removesuffix(".c")
        subprocess.run([*machine["compiler"], *sysroot, "-O2", "-fomit-frame-pointer", "-fno-optimize-sibling-calls",
                        "-o", program, PROGRAMS / name, "-lpthread"], check=True)
        copy_with_libraries(program, root, folders, readelf)
    init = root / "init"
    init.write_text(INIT.format(seconds=given.seconds, options=given.options))
    init.chmod(0o755)


def pack(root, to):
    names = "\n".join(str(p.relative_to(root)) for p in sorted(root.rglob("*")))
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), cwd=root,
                             capture_output=True, check=True).stdout
    to.write_bytes(gzip.compress(archive, 1))


def boot(machine, kernel, archive, limit):
    """What the machine said, by section."""
    command = [*machine["emulator"], "-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024", "-display", "none",
               "-serial", "stdio", "-monitor", "none", "-net", "none", "-no-reboot", "-kernel", kernel, "-initrd",
               archive, "-append", f"console={machine['console']} quiet panic=-1 mitigations=off "
               "no_timer_check"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        try:
            said, _ = run.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            run.kill()
            said, _ = run.communicate()
    said = said.decode(errors="replace").replace("\r", "")
    sections, name = {}, "boot"
    for line in said.splitlines():
        if line.startswith("=== "):
            name = line[4:]
        sections.setdefault(name, []).append(line)
    if "end" not in sections:
        raise Failure(f"the machine did not come to its end:\n{said[-4000:]}")
    return {name: "\n".join(lines[1:]) for name, lines in sections.items()}


def judge(sections):
    print(sections["check"], end="\n\n")
    for name, text in sections.items():
        if name.startswith("record "):
            print(f"{name}\n{text}\n")
    for name in ("cgroup", "all", "memory", "log"):
        print(f"{name}\n{sections[name]}\n")
    for times in ("first", "again"):
        stats, stacks = Live.stats(sections[f"record shares {times}"]), folded(sections[f"stacks shares {times}"])
        expect(stats["taken"] == stats["delivered"] and stats["lost"] == 0, "samples are missing")
        whole(stats, 0.98)  # the first ticks may come before an emulated machine's rows are made
        total = {n: sum(v for s, v in stacks.items() if n in s.split(";")) for n in ("heavy", "light")}
        ratio = total["heavy"] / max(1, sum(total.values()))
        print(f"{times}: heavy has {ratio:.3f} of the work")
        expect(abs(ratio - 0.75) < 0.06, f"heavy has {ratio:.3f}, not 0.75")
        deep = [s for s in stacks if "heavy" in s.split(";")]
        expect(all(s.split(";").count("level") == 9 for s in deep), f"not nine levels: {deep[:2]}")
    stats, stacks = Live.stats(sections["record in_signal first"]), folded(sections["stacks in_signal first"])
    whole(stats, 0.98)
    through = sum(v for s, v in stacks.items() if "on_signal" in s and s.split(";").count("interrupted") == 6)
    expect(through > 0.9 * sum(stacks.values()), f"through the handler {through} of {sum(stacks.values())}")
    whole(Live.stats(sections["record in_kernel first"]), 0.98)
    expect_in_kernel(folded(sections["stacks in_kernel first"]), 0.75)  # system calls are dear in an emulator
    whole(Live.stats(sections["all"]), 0.9)
    whole(Live.stats(sections["cgroup"]), 0.9)
    stacks = folded(sections["stacks cgroup"])
    expect(not any("heavy" in s.split(";") for s in stacks), "others were sampled than the cgroup's")
    expect_in_kernel(stacks, 0.75)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("--machine", choices=MACHINES, default=os.uname().machine)
    words.add_argument("--sysroot")
    words.add_argument("--seconds", default="6")
    words.add_argument("--limit", type=float, default=500, help="seconds until the machine is stopped")
    words.add_argument("--options", default="--cpu-budget 0", help="further options of `profcore record`")
    words.add_argument("kernel")
    words.add_argument("tool")
    given = words.parse_args()
    machine = MACHINES[given.machine]
    with tempfile.TemporaryDirectory() as folder:
        root, archive = Path(folder) / "root", Path(folder) / "root.gz"
        root.mkdir()
        try:
            make_system(root, machine, given)
            pack(root, archive)
            judge(boot(machine, given.kernel, archive, given.limit))
        except Failure as failure:
            sys.exit(f"failed: {failure}")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
