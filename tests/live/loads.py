"""Loads to record: for the live tests and for the benchmark against perf."""

import os
import subprocess
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent / "programs"


def compile_program(name, folder, *flags):
    """A program of `programs/`, as distributions build: optimized and without frame pointers."""
    program = Path(folder) / name.removesuffix(".c")
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run([*compiler, "-O2", "-fomit-frame-pointer", "-fno-optimize-sibling-calls", *flags, "-o", program,
                    PROGRAMS / name, "-lpthread"], check=True)
    return program


def busy(folder, seconds):
    """Two threads at work, 14 to 18 frames deep; each uses so many seconds of CPU time."""
    return [compile_program("shares.c", folder), str(seconds)]


def many(folder, seconds):
    """Short programs, four at a time."""
    return [PROGRAMS / "many.sh", str(seconds), str(folder)]
