"""The pprof and collapsed inputs, made by the generators, and who decodes them."""

import gzip
import shutil
import subprocess
import sys

from runner.decoders import Input, ours


def make_file(path, argv, sources=()):
    """Runs a generator unless the same command has made the file before, from the same sources."""
    stamp = path.with_name(path.name + ".command")
    wanted = " ".join(map(str, argv))
    if path.exists() and stamp.exists() and stamp.read_text() == wanted:
        newest = max(source.stat().st_mtime for source in sources)
        if path.stat().st_mtime >= newest:
            return path
    stamp.unlink(missing_ok=True)
    print(f"making {path.name}", file=sys.stderr)
    partial = path.with_name(path.name + ".part")
    subprocess.run([str(part).replace(str(path), str(partial)) for part in argv], check=True,
                   stdout=subprocess.DEVNULL)
    partial.replace(path)
    stamp.write_text(wanted)
    return path


def make_gzip(raw):
    path = raw.with_name(raw.name + ".gz")
    if not path.exists() or path.stat().st_mtime < raw.stat().st_mtime:
        print(f"making {path.name}", file=sys.stderr)
        partial = path.with_name(path.name + ".part")
        with raw.open("rb") as source, partial.open("wb") as sink:
            with gzip.GzipFile(filename="", fileobj=sink, mode="wb", compresslevel=6,
                               mtime=0) as packed:
                shutil.copyfileobj(source, packed, 1 << 20)
        partial.replace(path)
    return path


class Generators:
    def __init__(self, args):
        self.count = max(1000, int(1_000_000 * args.scale))
        self.bench_dir = args.bench_dir
        self.data = args.bench_dir / "data" / str(self.count)
        self.data.mkdir(parents=True, exist_ok=True)

    def make(self, name, tool, *options):
        program, path = self.bench_dir / tool, self.data / name
        if not program.exists():
            sys.exit(f"no {program}: configure with -Dbench=true and build first")
        return make_file(path, [program, *options, "-o", path], [program])


def pprof_inputs(args, peers):
    generators = Generators(args)
    count = generators.count
    options = ["gen_pprof", "--samples", count, "--distinct-stacks"]
    shared = generators.make("shared.pb", *options, max(1, count // 5))
    distinct = generators.make("distinct.pb", *options, "all")
    packed = make_gzip(shared)

    go = peers.fetched("gopprof", "google/pprof")
    lite = peers.built("protolite")
    scans = peers.built("pprof_limits", "scan") + peers.built("pprof_limits", "reuse")
    limits = (peers.built("pprof_limits", "bytes", True)
              + peers.built("pprof_limits", "varints", True))
    inflate = (peers.built("inflate_limits", "libdeflate", True)
               + peers.built("inflate_limits", "zlib", True))
    own = ours(args, "pprof")
    reference = own[0].name if own else "google/pprof"

    def entry(name, path, decoders):
        return Input(name, "pprof", path, (shared if path == packed else path).stat().st_size,
                     reference, decoders)

    return [
        entry("pprof, stacks shared by samples", shared, own + lite + go + scans + limits),
        entry("pprof, every stack distinct", distinct, own + lite + go + scans),
        entry("pprof, gzip", packed, own + go + inflate),
    ]


def collapsed_inputs(args, peers):
    generators = Generators(args)
    count = generators.count
    shuffled = generators.make("shuffled.txt", "gen_collapsed", "--lines", count, "--shuffled")
    by_order = generators.make("sorted.txt", "gen_collapsed", "--lines", count, "--sorted")
    few = generators.make("small.txt", "gen_collapsed", "--sorted", "--lines",
                          max(1000, count // 10))

    text = (peers.built("collapsed_limits", "newlines", True)
            + peers.built("collapsed_limits", "split") + peers.built("collapsed_limits", "intern")
            + peers.built("collapsed_limits", "trie"))
    inferno = peers.fetched("inferno/bin/inferno-flamegraph", "inferno", whole=True)
    perl = shutil.which("perl")
    flamegraph = peers.fetched("flamegraph.pl", "flamegraph.pl", [perl or "perl"], whole=True)
    if perl is None:
        peers.missing["flamegraph.pl"], flamegraph = "no perl", []
    own = ours(args, "collapsed")
    reference = own[0].name if own else "collapsed_limits trie"
    slow = flamegraph if args.slow else []

    def entry(name, path, decoders):
        return Input(name, "collapsed", path, path.stat().st_size, reference, decoders)

    return [
        entry("collapsed, shuffled", shuffled, own + text + inferno + slow),
        entry("collapsed, sorted", by_order, own + text + inferno + slow),
        entry("collapsed, small", few, own + text[-1:] + inferno + flamegraph),
    ]
