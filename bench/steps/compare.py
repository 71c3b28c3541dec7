"""Training steps of nine networks, Tessera beside Debian's PyTorch: same weights, same data, in turns in one run.

  python3 compare.py PROGRAM [--threads 2] [--rounds 3] [--seconds 6] [--only NAME ...] [--json FILE]

PROGRAM is build/bench/steps. A time counts only where both sides compute the same: the losses of 20 steps agree to 1e-3. A game
of two networks doubles a difference of rounding every few steps. Where only losses after the fifth are further apart, PyTorch
is run against itself, from weights one unit in the last place away: further than twice its own drift counts as different.
Prints medians, ratios ours / theirs (memory too), what each must reach, and as its last line how many do. A limit is how many times
PyTorch's rate the step's products and convolutions would have if they were all that it does, each as the plain sum, at the fma's
measured in the same minute: only Winograd, and attention that leaves out what is masked, go past it.
"""
import os, statistics, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import comparison

WANTED = {  # how many times PyTorch's speed
    "gpt": 1.45, "unet": 2.2, "dit": 1.5, "dcgan": 2.2, "vae": 2.5, "vqvae": 1.8, "realnvp": 2.2, "wavenet": 2.2, "mlp": 4.0}
MEMORY_WANTED = 0.6
TWINS = os.path.join(HERE, "twins.py")
TOLERANCE, SETTLED = 1e-3, 5


def run(command, threads):
    return {words[0]: [float(v) for v in words[1:]] for words in comparison.lines(command, threads)}


def apart(a, b):
    """The largest relative difference of losses."""
    return max((abs(x - y) / abs(y) for x, y in zip(a, b)), default=0)


def drift(name, fixture, plain, threads):
    """How far PyTorch's later losses leave its own when the start is perturbed by rounding, the larger of two tries."""
    found = []
    for seed in ("1", "2"):
        losses = run([comparison.PYTHON, TWINS, name, fixture, str(len(plain)), "0.01", str(threads), seed], threads)["losses"]
        found.append(apart(losses[SETTLED:], plain[SETTLED:]))
    return max(found)


def compare(program, name, options, folder):
    fixture = os.path.join(folder, name + ".safetensors")
    subprocess.run([program, name, "fixture", fixture], check=True)
    results, ceilings = {"ours": [], "torch": []}, []
    for r in range(options.rounds):
        losses, seconds = str(1 if r else 20), str(options.seconds)  # compared once; later rounds only warm up
        sides = {
            "ours": [program, name, "run", fixture, losses, seconds],
            "torch": [comparison.PYTHON, TWINS, name, fixture, losses, seconds, str(options.threads)]}
        for side, command in sides.items():
            results[side].append(run(command, options.threads))
        ceilings.append(comparison.ceilings(program, options.threads))
    ours, theirs = (results[side][0]["losses"] for side in ("ours", "torch"))
    row = {"name": name, "losses_differ": apart(ours, theirs)}
    row["agrees"] = row["losses_differ"] <= TOLERANCE
    if not row["agrees"] and apart(ours[:SETTLED], theirs[:SETTLED]) <= TOLERANCE:
        row["drift"] = drift(name, fixture, theirs, options.threads)
        row["agrees"] = row["losses_differ"] <= 2 * row["drift"]
    os.remove(fixture)
    for side, seen in results.items():
        row[side] = statistics.median(found["rate"][0] for found in seen)
        row[side + "_memory"] = statistics.median(found["memory"][0] for found in seen)
    row["ratio"], row["memory_ratio"] = row["ours"] / row["torch"], row["ours_memory"] / row["torch_memory"]
    row["limit"] = comparison.limit(ceilings, results["torch"][0]["work"][0]) / row["torch"]
    row["wanted_ratio"] = WANTED[name]
    row["holds"] = row["agrees"] and row["ratio"] >= WANTED[name] and row["memory_ratio"] <= MEMORY_WANTED
    return row


def main():
    options = comparison.options(6, nargs="*")
    listed = comparison.lines([options.program, "list"], options.threads)
    rows = []
    print(f"training step, {options.threads} threads     Tessera    PyTorch             ratio  wanted   limit   memory, ratio (wanted: {MEMORY_WANTED})   losses differ", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, unit, _ in listed:
            if options.only and name not in options.only:
                continue
            row = compare(options.program, name, options, folder)
            rows.append(row)
            print(f"{name:22} {row['ours']:12.5g} {row['torch']:10.5g} {unit:10} {row['ratio']:8.2f} {WANTED[name]:7.2f} {row['limit']:7.2f} {row['ours_memory']:8.0f} MB {row['memory_ratio']:6.2f}"
                  f"{row['losses_differ']:31.1e}   {comparison.verdict(row)}"
                  + (f" (PyTorch from itself: {row['drift']:.1e})" if "drift" in row else ""), flush=True)
    comparison.finish(rows, options.json)


main()
