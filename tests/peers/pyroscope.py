#!/usr/bin/env python3
"""What Pyroscope's Java agent uploads: its fork of async-profiler, whose samples have ids of contexts, and beside the
recording the labels of those. Usage: pyroscope.py PROFCORE CACHE
"""

import sys
import urllib.parse

import fetch
import peer_run
from peer_run import expect, expect_measured
from upload_server import UploadServer


class PyroscopePeers(peer_run.Peers):
    def uploads(self, seconds):
        """(facts, [(recording, labels or None, the request's parameters)])"""
        jar = fetch.jar("pyroscope agent", self.cache)
        self.classes("JvmLoad")
        self.classes("LabelledLoad", jar)
        with UploadServer("/ingest") as server:
            settings = {"SERVER_ADDRESS": server.url, "APPLICATION_NAME": "load", "FORMAT": "jfr", "UPLOAD_INTERVAL": "2s",
                        "PROFILER_EVENT": "itimer", "PROFILING_INTERVAL": "8ms", "PROFILER_ALLOC": "64k",
                        "PROFILER_LOCK": "100us", "LOG_LEVEL": "error", "TMP_DIR": str(self.folder)}
            facts = self.load(seconds, ["sleep", "heap", "lock"], f"-javaagent:{jar}", program="LabelledLoad", class_path=[jar],
                              environment={"PYROSCOPE_" + name: value for name, value in settings.items()})
        expect(server.uploads, f"nothing was sent: {self.output[-500:]}")
        found = []
        for number, upload in enumerate(server.uploads):
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(upload.path).query))
            expect(query.get("format") == "jfr" and "jfr" in upload.parts, f"sent {query} with {sorted(upload.parts)}")
            recording = self.folder / f"upload{number}.jfr"
            recording.write_bytes(upload.parts["jfr"])
            labels = None
            if upload.parts.get("labels"):
                labels = self.folder / f"upload{number}.labels"
                labels.write_bytes(upload.parts["labels"])
            found.append((recording, labels, query))
        return facts, found


def labelled(peers):
    facts, uploads = peers.uploads(7)
    expect_measured(len(uploads) >= 2, f"{len(uploads)} uploads")
    large = small = unlabelled = locks = allocated = 0
    for recording, labels, query in uploads:
        plain = peers.plain(recording)
        peers.check_events(plain)
        profile = peers.profile(recording, *(["--jfr-labels", labels] if labels else []))
        expect("cpu" in profile.types, f"sample types {profile.types}")
        profile.check_whole("cpu")
        of_thread = profile.seconds("cpu", thread="labelled")
        large += (of_large := profile.seconds("cpu", customer="large"))
        small += (of_small := profile.seconds("cpu", customer="small"))
        unlabelled += of_thread - of_large - of_small
        wrong = [of for stack, of, _ in profile.rows if "customer" in of and (of["thread"], of.get("kind")) != ("labelled", "work")]
        expect(not wrong, f"labels of others: {wrong[:3]}")
        locks += profile.seconds("mutex_delay", "JvmLoad.enterMonitor")
        allocated += profile.sum("alloc_space", thread="allocator")
        compat = peers.profile(recording, "--compat", "pyroscope", "--sample-rate", query.get("sampleRate", "100"))
        expect("cpu" in compat.types, f"as Pyroscope stores it: {compat.types}")
    expected = facts["large_ns"] / (facts["large_ns"] + facts["small_ns"])
    expect_measured(large + small > 0.3, f"{large + small:.2f} s of CPU time have labels")
    expect_measured(abs(large / (large + small) - expected) < 0.12, f"large has {large / (large + small):.1%}, not {expected:.1%}")
    expect_measured(unlabelled < 0.15 * (large + small), f"{unlabelled:.2f} s of the thread have no labels")
    # The last seconds are not sent.
    expect_measured(0.3 * facts.seconds("monitor") < locks < 1.1 * facts.seconds("monitor"), f"{locks:.2f} s in monitors")
    expect_measured(0.3 < allocated / facts["thread.allocator.allocated"] < 1.3, f"{allocated} bytes of the allocator")


def main():
    tool, cache = sys.argv[1:]
    peer_run.run_cases([("labelled", labelled)], lambda folder: PyroscopePeers(tool, cache, folder))


if __name__ == "__main__":
    main()
