"""Generation, Tessera beside Debian's PyTorch: same weights, in turns in one run.

  python3 compare.py PROGRAM [--threads 2] [--rounds 3] [--seconds 4] [--only NAME ...] [--json FILE]

PROGRAM is build/bench/generation. A time counts only where both sides compute the same from the same weights: logits or pictures
agree to 1e-4 of the greatest of them, to 1e-3 where activations are rounded too (8 and 4 bits). Prints medians, ratios ours /
theirs, what each must reach (items a second, or times PyTorch's), and as its last line how many do.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile

WANTED = {  # items a second, or how many times PyTorch's
    "gpt2_f32": 48, "gpt2_f16": 88, "gpt2_q8": 150, "gpt2_q4": 220, "gpt2_prefill": "1.5x", "gpt": "4x",
    "wavenet": 24000, "wavenet_30_f16": 16000, "unet_1": "2.5x", "unet_16": "2.2x", "dit_1": "1.8x"}
AGREES = {"gpt2_q8": 1e-3, "gpt2_q4": 1e-3}
TWINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "twins.py")


def run(command, threads):
    environment = dict(os.environ, TESSERA_THREADS=str(threads))
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}


def compare(program, name, fixture, options):
    result = fixture + ".result"
    ours, torch = [], []
    for _ in range(options.rounds):
        ours.append(run([program, name, "run", fixture, result, str(options.seconds)], options.threads))
        torch.append(run(["/usr/bin/python3", TWINS, name, fixture, result, str(options.seconds), str(options.threads)], options.threads))
    row = {"name": name, "differ": max(t["differ"] for t in torch), "wanted": WANTED[name]}
    row["ours"], row["torch"] = (statistics.median(r["rate"] for r in side) for side in (ours, torch))
    row["ratio"] = row["ours"] / row["torch"]
    row["agrees"] = row["differ"] <= AGREES.get(name, 1e-4)
    wanted = row["wanted"]
    row["wanted_ratio"] = float(wanted[:-1]) if isinstance(wanted, str) else wanted / row["torch"]
    row["holds"] = row["agrees"] and row["ratio"] >= row["wanted_ratio"]
    return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--json")
    options = parser.parse_args()
    listed = [line.split() for line in subprocess.run([options.program, "list"], capture_output=True, text=True, check=True).stdout.splitlines()]
    rows, made = [], None
    print(f"generation, {options.threads} threads    Tessera    PyTorch              ratio    wanted   results differ", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "fixture.safetensors")
        for name, unit, _, fixture in listed:
            if options.only and name not in options.only:
                continue
            if made != fixture:  # subjects that share one stand together
                subprocess.run([options.program, name, "fixture", path], check=True)
                made = fixture
            row = compare(options.program, name, path, options)
            rows.append(row)
            print(f"{name:18} {row['ours']:15.5g} {row['torch']:10.5g} {unit:10} {row['ratio']:9.2f} {row['wanted']:>9} {row['differ']:16.1e}"
                  f"   {'' if row['holds'] else 'falls short' if row['agrees'] else 'DIFFERENT RESULTS'}", flush=True)
    if options.json:
        with open(options.json, "w") as out:
            json.dump(rows, out, indent=1)
    print(f"holds: {sum(row['holds'] for row in rows)} of {len(rows)}")


main()
