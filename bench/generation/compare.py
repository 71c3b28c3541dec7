"""Generation, Tessera beside Debian's PyTorch: same weights, in turns in one run.

  python3 compare.py PROGRAM [--threads 2] [--rounds 3] [--seconds 4] [--only NAME ...] [--json FILE]

PROGRAM is build/bench/generation. A time counts only where both sides compute the same from the same weights: logits or pictures
agree to 1e-4 of the greatest of them. (With 8 and 4 bits Tessera rounds activations, too, but to 1 in 65,000 of the greatest of
32, which moves no logit by more than 3e-5.) Prints medians, ratios ours /
theirs, what each must reach (items a second, or times PyTorch's), the greatest memory where that is limited, and as its last line how many do.
A limit is how many times PyTorch's rate could be had if products and convolutions, each as the plain sum, were all there is to do, and
writing with a GPT did nothing but read its weights: at the fma's and the memory's speed measured in the same minute. Winograd goes past it.
"""
import os, statistics, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import comparison

WANTED = {  # items a second, or how many times PyTorch's
    "gpt2_f32": 48, "gpt2_f16": 88, "gpt2_q8": 150, "gpt2_q4": 220, "gpt2_prefill": "1.5x", "gpt": "4x",
    "wavenet": 24000, "wavenet_30_f16": 16000, "unet_1": "2.5x", "unet_16": "2.2x", "dit_1": "1.8x",
    "unet_860m": "1.7x"}
MEMORY = {"unet_860m": 3.7 * 1024}  # MiB at most
TWINS = os.path.join(HERE, "twins.py")


def run(command, threads):
    return {words[0]: float(words[1]) for words in comparison.lines(command, threads)}


def compare(program, name, fixture, options):
    result = fixture + ".result"
    ours, torch, ceilings = [], [], []
    for _ in range(options.rounds):
        ours.append(run([program, name, "run", fixture, result, str(options.seconds)], options.threads))
        torch.append(run([comparison.PYTHON, TWINS, name, fixture, result, str(options.seconds), str(options.threads)], options.threads))
        ceilings.append(comparison.ceilings(program, options.threads))
    row = {"name": name, "differ": max(t["differ"] for t in torch), "wanted": WANTED[name]}
    row["ours"], row["torch"] = (statistics.median(r["rate"] for r in side) for side in (ours, torch))
    row["ratio"] = row["ours"] / row["torch"]
    row["limit"] = comparison.limit(ceilings, torch[0]["work"], torch[0]["read"]) / row["torch"]
    row["agrees"] = row["differ"] <= 1e-4
    wanted = row["wanted"]
    row["wanted_ratio"] = float(wanted[:-1]) if isinstance(wanted, str) else wanted / row["torch"]
    row["memory"], row["torch_memory"] = (max(r["memory"] for r in side) for side in (ours, torch))  # MiB
    row["holds"] = row["agrees"] and row["ratio"] >= row["wanted_ratio"] and row["memory"] <= MEMORY.get(name, row["memory"])
    return row


def main():
    options = comparison.options(4, nargs="*")
    listed = comparison.lines([options.program, "list"], options.threads)
    rows, made = [], None
    print(f"generation, {options.threads} threads    Tessera    PyTorch              ratio    wanted   limit   results differ", flush=True)
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
            print(f"{name:18} {row['ours']:15.5g} {row['torch']:10.5g} {unit:10} {row['ratio']:9.2f} {row['wanted']:>9} {row['limit']:7.2f} {row['differ']:16.1e}"
                  f"   {comparison.verdict(row)}", flush=True)
    comparison.finish(rows, options.json)


main()
