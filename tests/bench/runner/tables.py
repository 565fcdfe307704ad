"""What was measured, as text."""

import statistics


def ratios(reference, rounds, pick):
    """Time over the reference's time, round by round, since only one round shares its weather."""
    paired = zip(map(pick, rounds), map(pick, reference))
    values = [mine / theirs for mine, theirs in paired if mine is not None and theirs]
    return (statistics.median(values), min(values), max(values)) if values else None


def warm(runs):
    return statistics.median(run.seconds for run in runs[1:] or runs)


def warm_cpu(runs):
    told = [run.cpu for run in runs[1:] or runs if run.cpu is not None]
    return statistics.median(told) if told else None


def print_tables(args, inputs, results):
    for entry in inputs:
        table = results.runs[entry.name]
        if not table:
            continue
        megabytes = entry.raw_bytes / 1e6
        reference = table.get(entry.reference)
        print(f"\n{entry.name}: {megabytes:.1f} MB" +
              (f" ({entry.path.stat().st_size / 1e6:.1f} MB compressed)"
               if entry.path.suffix == ".gz" else ""))
        print(f"  {'':24} {'MB/s':>7} {'min-max':>13} {'cold':>7} {'peak':>6}   time / {entry.reference}"
              f" (min-max), cold, CPU time")
        for name, rounds in table.items():
            times = [max(run.seconds, 1e-6) for runs in rounds for run in (runs[1:] or runs)]
            cold = max(statistics.median(runs[0].seconds for runs in rounds), 1e-6)
            peak = max(run.rss for runs in rounds for run in runs) * 1024 / entry.raw_bytes
            speed = megabytes / statistics.median(times)
            spread = f"{megabytes / max(times):.0f}-{megabytes / min(times):.0f}"
            line = (f"  {name:24} {speed:7.0f} {spread:>13} {megabytes / cold:7.0f} "
                    f"{peak:5.1f}x")
            if reference:
                middle, low, high = ratios(reference, rounds, warm)
                first = ratios(reference, rounds, lambda runs: runs[0].seconds)[0]
                line += f"   {middle:.3g} ({low:.3g}-{high:.3g}), {first:.3g}"
                cpu = ratios(reference, rounds, warm_cpu)
                line += f", {cpu[0]:.3g}" if cpu else ""
            print(line)
    print(f"\n{args.rounds} rounds of {args.runs} decodes (more of small recordings); MB/s of the "
          "uncompressed input, median of\nwarm decodes; cold = first decode of a process; peak = peak "
          "resident memory over the uncompressed input, input included.")
