"""What compare.py of bench/ops, bench/steps and bench/generation share: options, the programs they run, verdicts, the last line.

A row is a dictionary with at least name, ratio, wanted_ratio, agrees and holds: bars.py draws those."""
import argparse, json, os, subprocess, sys

import torch_side

PYTHON = "/usr/bin/python3"  # Debian's, that has its PyTorch


def options(seconds, **only):
    """Of the command line: `seconds` is the default of --seconds, `only` what argparse shall make of --only."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=seconds)
    parser.add_argument("--only", **only)
    parser.add_argument("--json")
    return parser.parse_args()


def lines(command, threads):
    """What a program prints, each line as its words. Ends this program when that one fails."""
    t = str(threads)
    environment = dict(os.environ, TESSERA_THREADS=t, OMP_NUM_THREADS=t, OPENBLAS_NUM_THREADS=t)
    torch_side.choose_openblas_kernels(environment)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return [line.split() for line in done.stdout.splitlines()]


def ceilings(program, threads):
    """What the machine gives at this moment, by the program `scaling` beside `program`: GFLOP/s of fma's alone, GB/s of reading."""
    scaling = os.path.join(os.path.dirname(os.path.abspath(program)), "scaling")
    return [float(lines([scaling, what, "0.3"], threads)[0][0]) for what in ("peak", "read")]


def limit(seen, work, read=0):
    """Items a second that no direct sum exceeds: so many GFLOPs and GB each, at the best of the `ceilings` seen."""
    flops, bandwidth = (max(column) for column in zip(*seen))
    return 1 / max(work / flops, read / bandwidth)


def verdict(row):
    return "" if row["holds"] else "falls short" if row["agrees"] else "DIFFERENT RESULTS"


def finish(rows, path):
    """Writes the rows where a path is given, and says how many hold."""
    if path:
        with open(path, "w") as out:
            json.dump(rows, out, indent=1)
    print(f"holds: {sum(row['holds'] for row in rows)} of {len(rows)}")
