"""How Tessera grows with threads, batch, length, width and context.

  python3 bench/scaling/scaling.py build/bench [--rounds 3] [--seconds 2]

Prints, medians of the rounds: what a second thread gains each training step of bench/steps and the processor's own fma's; a GPT's
training by batch, length and width, with memory; and units a second of cached generation by context and width.
"""
import argparse, os, statistics, subprocess, tempfile

parser = argparse.ArgumentParser()
parser.add_argument("programs")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--seconds", type=float, default=2)
options = parser.parse_args()
SECONDS = str(options.seconds)


def run(threads, program, *arguments):
    """The words of what it prints."""
    command = [os.path.join(options.programs, program), *map(str, arguments)]
    environment = dict(os.environ, TESSERA_THREADS=str(threads))
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()


def medians(measure):
    """Of each number that measure() gives, over the rounds."""
    return [statistics.median(column) for column in zip(*(measure() for _ in range(options.rounds)))]


def threads_row(name, rate):
    """rate(threads) with one and two, in turns."""
    one, two = medians(lambda: [rate(1), rate(2)])
    print(f"| {name} | {one:.4g} | {two:.4g} | {two / one:.2f} |", flush=True)


def step_rate(name, fixture, threads):
    words = run(threads, "steps", name, "run", fixture, 1, SECONDS)
    return float(words[words.index("rate") + 1])


print("| | one thread | two | gain |\n|---|---|---|---|")
threads_row("fma's, GFLOP/s", lambda threads: float(run(threads, "scaling", "peak", SECONDS)[0]))
with tempfile.TemporaryDirectory() as folder:
    listed = run(1, "steps", "list")
    for name, unit in zip(listed[::3], listed[1::3]):
        fixture = os.path.join(folder, name)
        run(1, "steps", name, "fixture", fixture)
        threads_row(f"{name}, {unit}", lambda threads: step_rate(name, fixture, threads))
        os.remove(fixture)

print("\n| training a GPT | parameters | token/s | MB |\n|---|---|---|---|")
SHAPES = [(4, 256, 256, 4), (8, 256, 256, 4), (16, 256, 256, 4), (8, 512, 256, 4), (8, 1024, 256, 4), (8, 256, 256, 8),
          (8, 256, 512, 4), (8, 256, 1024, 4)]
for shape in SHAPES:
    rate, memory, parameters = medians(lambda: [float(word) for word in run(2, "scaling", "train", *shape, SECONDS)])
    batch, length, width, layers = shape
    print(f"| batch {batch}, length {length}, width {width}, {layers} layers "
          f"| {parameters / 1e6:.1f} M | {rate:.0f} | {memory:.0f} |", flush=True)

print("\n| a GPT of 8 layers, writing | weights read | unit/s | ms a unit |\n|---|---|---|---|")
for context, width in [(16, 256), (256, 256), (1024, 256), (4096, 256), (16, 512), (16, 1024)]:
    rate, = medians(lambda: [float(run(2, "scaling", "write", context, width, 8, SECONDS)[0])])
    print(f"| width {width}, {context} units before it | {8 * 12 * width * width / 1e6:.1f} M | {rate:.0f} | {1000 / rate:.2f} |",
          flush=True)
