#!/usr/bin/env python3
"""Events per recording, as `profcore events` counts them and as it gives them out, against what JMC's parser counts
(the last column of jfr-events.md beside the recordings). Usage: jfr_event_counts.py --profcore TOOL --data DIR
"""

import argparse
import gzip
import pathlib
import re
import subprocess
import sys

V0 = ("0.9", "a JFR chunk of version 0.9")  # Oracle's format before OpenJDK had one: told, not read


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--profcore", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    options = parser.parse_args()
    table = options.data / "jfr-events.md"
    if not table.is_file():
        print(f"skipped: {table} is missing", file=sys.stderr)
        sys.exit(77)
    failed = checked = 0
    for line in table.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5 or not cells[0].endswith(".jfr"):
            continue
        path = next((p for p in (options.data / "jfr" / (cells[0] + end) for end in ("", ".gz")) if p.is_file()), None)
        if path is None:
            problem = "missing"
        else:
            problem = check(options.profcore, path, int(cells[4]))
        checked += 1
        failed += bool(problem)
        print(f"{'FAILED' if problem else 'ok'}  {cells[0]}: {problem or cells[4]}")
    sys.exit(1 if failed or not checked else 0)


def check(tool, path, expected):
    summary = subprocess.run([tool, "events", str(path), "-q"], capture_output=True, text=True, check=False)
    if V0[1] in summary.stderr:
        head = path.read_bytes()
        head = gzip.decompress(head) if head[:2] == b"\x1f\x8b" else head
        return None if head[4:8] == bytes([0, 0, 0, 9]) else f"is not of version {V0[0]}"
    found = re.search(r"^events +(\d+)$", summary.stdout, re.M)
    if not found:
        return summary.stderr.strip()
    if int(found[1]) != expected:
        return f"{found[1]} events, JMC counts {expected}"
    # And each of them comes out.
    with subprocess.Popen([tool, "events", str(path), "--json", "--stack-depth", "0", "-q"],
                          stdout=subprocess.PIPE) as process:
        given = sum(line.startswith(b'{"type"') for line in process.stdout)
    return None if given == expected else f"{given} events given out, JMC counts {expected}"


if __name__ == "__main__":
    main()
