"""What is measured: the shapes of it, and which of the decoders exist here."""

from collections import namedtuple
from pathlib import Path

KINDS = ("pprof", "collapsed", "jfr")

# One measurement: peak memory in KiB; samples and checksum, and CPU time, are None where the decoder
# does not say.
Run = namedtuple("Run", "seconds rss samples checksum cpu", defaults=(None,))
# argv gets the file and the number of runs; a whole program takes only the file and is timed from
# outside; a limit does less than decoding, so its sums are not compared; a slow one is not asked
# for more than `most` decodes per process.
Decoder = namedtuple("Decoder", "name argv whole limit most", defaults=(False, False, None))
# runs: decodes per process where the file is too small for the usual number. known: disagreements
# and failures that are no fault of ours, as {regular expression: why}.
Input = namedtuple("Input", "name kind path raw_bytes reference decoders runs known",
                   defaults=(None, {}))


def ours(args, kind):
    given = [value.split("=", 1) for value in args.program]
    paths = [Path(path) for of, path in given if of == kind]
    if not given:
        paths = [path for path in (args.bench_dir / f"ours_{kind}",
                                   args.bench_dir / f"ours_{kind}_threads") if path.exists()]
    return [Decoder(f"ours ({path.name})", [str(path.resolve())]) for path in paths]


class Peers:
    """The decoders that exist here; the others are collected with what is missing."""

    def __init__(self, args):
        self.args = args
        self.missing = {}

    def built(self, name, mode=None, limit=False):
        return self._at(self.args.bench_dir / name, name if mode is None else f"{name} {mode}",
                        mode, limit)

    def fetched(self, relative, name, before=(), whole=False, mode=None, most=None):
        return self._at(self.args.peers / relative, name, mode, False, before, whole, most)

    def _at(self, path, name, mode, limit, before=(), whole=False, most=None):
        if not path.exists():
            self.missing[name] = f"no {path}"
            return []
        tail = [mode] if mode else []
        return [Decoder(name, [*before, str(path.resolve()), "{}", *tail], whole, limit, most)]
