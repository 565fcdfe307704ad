"""Runs our tool and reads its JSON back, for comparison with other people's tools."""

import json
import os
import posixpath
import re
import subprocess
import sys
from pathlib import Path


class Refused(Exception):
    """The tool does not read the file; the message is its own."""


class Profcore:
    def __init__(self, executable, timeout=120):
        self.executable = str(Path(executable).resolve())
        self.timeout = timeout

    def run(self, command, *options, **more):
        done = subprocess.run([self.executable, command, "--quiet", *options], capture_output=True,
                              timeout=self.timeout, **more)
        # 3: it was read and is empty, which is no failure here.
        if done.returncode not in (0, 3) or (done.returncode == 3 and not done.stdout):
            text = done.stderr.decode("utf-8", "replace").strip()
            if done.returncode not in (1, 3):
                raise RuntimeError(f"profcore {command} ended with {done.returncode}: {text}")
            raise Refused(text)
        return done.stdout

    def json(self, command, *options):
        return json.loads(self.run(command, *options))

    def profile(self, path, *options):
        return self.json("convert", str(path), "--to", "json", "-o", "-", *options)

    def top(self, path, *options):
        return self.json("top", str(path), "--json", "-n", "0", *options)["rows"]

    def peek(self, path, pattern, *options):
        try:
            return self.json("top", str(path), "--json", "--peek", pattern, *options)["functions"]
        except Refused as error:
            if "no function matches" in str(error):
                return []
            raise

    def collapsed(self, path, *options):
        """[(frames, value)]"""
        text = self.run("convert", str(path), "--to", "collapsed", "-o", "-", *options)
        rows = []
        for line in text.decode("utf-8", "surrogateescape").split("\n"):
            if line:
                stack, _, value = line.rpartition(" ")
                rows.append((stack.split(";"), int(value)))
        return rows


def totals(profile):
    """Per sample type, in the file's own unit where the scale is a whole number."""
    sums = []
    for kind, values in zip(profile["sample_types"], profile["samples"]["values"]):
        scale, total = kind.get("scale", 1), sum(values)
        sums.append(total // scale if isinstance(scale, int) and total % scale == 0
                    else total / scale)
    return sums


UNNAMED = re.compile(r"(?:.*\+)?0x[0-9a-f]+", re.DOTALL)


def is_unnamed(row):
    return "file" not in row and "line" not in row and UNNAMED.fullmatch(row["name"]) is not None


def clean(path):
    """What Go's filepath.Clean makes of a path."""
    if not path:
        return path
    path = posixpath.normpath(path)
    return path[1:] if path.startswith("//") else path


def pprof_name(row):
    """The text under which google/pprof prints a frame of ours."""
    parts = [f"{int(row['address'], 16):016x}"] if "address" in row else []
    unnamed = is_unnamed(row)
    if not unnamed:
        parts.append(row["name"])
    if row.get("line"):
        parts.append(f"{clean(row.get('file', ''))}:{row['line']}")
    elif row.get("file"):
        parts.append(clean(row["file"]))
    elif unnamed:
        module = row.get("module") or row["name"].rpartition("+")[0]
        parts.append(f"[{posixpath.basename(module)}]" if module else "<unknown>")
    return " ".join(parts)


def sample_folder(given, name=""):
    """Where the samples are, when not beside the project: as $PROFCORE_TESTDATA says."""
    root = os.environ.get("PROFCORE_TESTDATA")
    return given if given.is_dir() or not root else Path(root) / name


def load_rules(path, columns=3):
    """Tab-separated rows: file pattern, what may differ, why."""
    rules = []
    for number, row in enumerate(Path(path).read_text().splitlines(), 1):
        if row and not row.startswith("#"):
            parts = row.split("\t")
            if len(parts) != columns:
                sys.exit(f"{path}:{number}: not {columns} columns")
            rules.append(tuple(parts))
    return rules
