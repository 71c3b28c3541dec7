"""Operations, Tessera beside OpenBLAS, oneDNN and Debian's PyTorch, in turns in one run.

  python3 compare.py PROGRAM [--threads 2] [--rounds 3] [--seconds 0.3] [--only REGEX] [--json FILE]

PROGRAM is build/bench/ops. A figure counts only where the sides compute the same. Prints medians of rounds, the ratio to the
best peer, what it must reach, and as its last line how many do.
"""
import os, re, statistics, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import comparison

TWINS = os.path.join(HERE, "twins.py")
# First match: how many times the best peer (or the peer that is named).
WANTED = [
    (r"gemm_(64|128|256)_\1_\1", 1.15, None), (r"gemm_256x64", 1.2, None), (r"gemm_", 0.97, None), (r"linear_gelu", 1.2, None),
    (r"gemv_", 1.0, None), (r"conv_\w+_k3s1", 1.6, "onednn"), (r"conv_forward_\w+_k4s2", 1.4, "torch"),
    (r"conv_input_\w+_k4s2", 3.0, "torch"), (r"conv_weight_\w+_k4s2", 1.4, "torch"), (r"conv_\w+_k1s1", 1.3, "torch"),
    (r"conv1d", 1.6, "torch"), (r"attention_(both_)?1x", 3.0, "torch"), (r"attention", 2.0, "torch"),
    (r"(normal|uniform)", 4.0, "torch"), (r"adamw", 1.5, "torch"), (r"", 1.5, "torch")]


def same(a, b):
    return abs(a[1] - b[1]) <= 1e-4 * a[0] and abs(a[0] - b[0]) <= 1e-4 * a[0]


def main():
    o = comparison.options(0.3, default="")
    listed = [row for row in comparison.lines([o.program, "list"], o.threads) if re.search(o.only, row[0])]
    rates, sums = {}, {}
    for _ in range(o.rounds):
        torch = {row[0]: [float(v) for v in row[1:]] for row in
                 comparison.lines([comparison.PYTHON, TWINS, str(o.seconds), str(o.threads)] + [row[0] for row in listed], o.threads)}
        for name, _, *sides in listed:
            for side in sides:
                [(rate, size, weighted)] = comparison.lines([o.program, name, side, str(o.seconds)], o.threads)
                rates.setdefault((name, side), []).append(float(rate))
                sums[name, side] = (float(size), float(weighted))
            rates.setdefault((name, "torch"), []).append(torch[name][0])  # runs a second; scaled below
            sums[name, "torch"] = (torch[name][1], torch[name][2])
    sides = ["tessera", "openblas", "onednn", "torch"]
    print(f"{'operation, %d threads' % o.threads:40}" + "".join(f"{s:>10}" for s in sides) + "  unit      ratio  wanted")
    rows = []
    for name, unit, *_ in listed:
        work = work_of(name)
        row = {"name": name, "unit": unit}
        for side in sides:
            if (name, side) in rates:
                row[side] = statistics.median(rates[name, side]) * (work if side == "torch" else 1)
        _, wanted, peer = next(w for w in WANTED if re.match(w[0], name))
        peers = [s for s in sides[1:] if s in row and (peer in (None, s) or peer not in row)]
        row["agrees"] = all(same(sums[name, "tessera"], sums[name, s]) for s in sides[1:] if s in row)
        row["ratio"], row["wanted_ratio"] = row["tessera"] / max(row[s] for s in peers), wanted
        row["holds"] = row["agrees"] and row["ratio"] >= wanted
        rows.append(row)
        print(f"{name:40}" + "".join(f"{row[s]:10.4g}" if s in row else f"{'':10}" for s in sides) +
              f"  {unit:8}{row['ratio']:7.2f}{wanted:8.2f}  {comparison.verdict(row)}", flush=True)
    comparison.finish(rows, o.json)


def work_of(name):
    """Work of one run in the unit of `ops list`: what the C++ side counts."""
    n = [int(v) for v in re.findall(r"\d+", name)]
    if name.startswith("gemm_256x64"):
        return 2e-9 * 256 * 64**3
    if name.startswith("gemm_"):
        return 2e-9 * n[0] * n[1] * n[2]
    if name.startswith("linear_gelu"):
        return 2e-9 * n[0] * n[1] * n[2]
    if name.startswith("gemv_"):
        return 4e-9 * n[0] * n[1]
    if name.startswith("conv1d"):
        return 2e-9 * 16000 * 2 * 64 * 64
    if name.startswith("conv_"):
        batch, side, _, c, out, kernel, stride = n
        to = (side + 2 * (1 if kernel > 1 else 0) - kernel) // stride + 1
        return 2e-9 * batch * to * to * out * kernel * kernel * c
    if name.startswith("attention"):
        return (12e-9 if "both" in name else 4e-9) * n[0] * n[1] * n[1] * n[2]
    if name == "adamw_10M":
        return 28e-9 * 10_000_000
    return 1e-9 * (1 << (24 if name.endswith("16M") else 20))


main()
