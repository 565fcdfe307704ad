"""The real producers, by Maven: pinned, checked, kept in the build folder. One that cannot be had is a reason to skip.

By hand: fetch.py FOLDER prints where each is; with --pin the checksums of what was fetched.
"""

import argparse
import fcntl
import hashlib
import platform
import subprocess
import sys
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "live"))
from harness import Failure, Skip, needs  # noqa: E402

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
SECONDS = 150  # for one artifact, with what Maven wants for itself the first time
ASK_AGAIN = 900  # seconds after a registry did not answer

# What it is called here: group:artifact:version, SHA-256 of the jar.
ARTIFACTS = {
    "async-profiler 2.9": (
        "tools.profiler:async-profiler:2.9", "6c4e993c28cf2882964cac82a0f96e81a325840043884526565017b2f62c5ba4"),
    "async-profiler 3.0": (
        "tools.profiler:async-profiler:3.0", "8f798860049d01f4a2f853596d28c85d2983f0c098f165a32909b7da9c74209f"),
    "async-profiler 4.6": (
        "tools.profiler:async-profiler:4.6", "a5d3d9f4582c2033fa9db518046e73ef97219801f3e7542b82e3e09261ebe493"),
    "jfr-converter": (
        "tools.profiler:jfr-converter:4.5", "d8a5452b26adb11a2a0abf0c53799a6fd60dbccb0647efa5a734e3c46ced3df4"),
    "pyroscope agent": (
        "io.pyroscope:agent:2.9.2", "ad738199a90734f7b8392bae1ab892027d411acb953ef1f00cd6e8e7c669ff8f"),
    "dd-java-agent": (
        "com.datadoghq:dd-java-agent:1.68.1", "86c97c1348277bb024f6185c4fd15a5567c50ab648f88277dffc429adb4bf927"),
}
AGENT = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}.get(platform.machine(), "none") + "/libasyncProfiler.so"


def jar(name, folder):
    """The path of the jar; Skip when nobody gives it."""
    coordinates, digest = ARTIFACTS[name]
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    _, artifact, version = coordinates.split(":")
    path = folder / f"{artifact}-{version}.jar"
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            download(coordinates, path, folder)
        if digest and sha256(path) != digest:
            actual = sha256(path)
            path.unlink()
            raise Failure(f"{coordinates} is not what it was: {actual}")
    return path


def download(coordinates, path, folder):
    maven = needs("mvn")
    silent = folder / "no-answer"
    if silent.exists() and time.time() - silent.stat().st_mtime < ASK_AGAIN:
        raise Skip(f"{coordinates}: {silent.read_text()}")
    command = [maven, "--batch-mode", "--quiet", f"-Dmaven.repo.local={folder / 'maven'}",
               "-Daether.connector.connectTimeout=10000", "-Daether.connector.requestTimeout=30000",
               COPY, f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
                              check=False)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        reason = lines[0] if lines else f"mvn ended with {done.returncode}"
    except subprocess.TimeoutExpired:
        reason = f"no answer within {SECONDS} s"
    if not path.exists():
        silent.write_text(reason)
        raise Skip(f"{coordinates}: {reason}")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(path, member, folder):
    """One file of a jar, beside it."""
    out = Path(folder).resolve() / f"{path.stem}-{Path(member).name}"
    if not out.exists():
        with zipfile.ZipFile(path) as archive:
            if member not in archive.namelist():
                raise Skip(f"{path.name} has nothing for this machine")
            part = out.with_suffix(".part")
            part.write_bytes(archive.read(member))
            part.rename(out)
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pin", action="store_true")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    for name, (coordinates, digest) in ARTIFACTS.items():
        if options.pin:
            ARTIFACTS[name] = coordinates, None
        try:
            path = jar(name, options.folder)
            print(name, path, sha256(path) if options.pin else "ok")
        except (Skip, Failure) as reason:
            print(name, reason)


if __name__ == "__main__":
    main()
