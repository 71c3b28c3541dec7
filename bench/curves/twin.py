"""Trains in PyTorch what a training program of examples/ has just trained, and lays both curves of losses on each other.

  build/examples/train_char_gpt text.txt --steps 200 --threads 1 --folder run --twin gpt.twin
  /usr/bin/python3 bench/curves/twin.py gpt.twin [--svg curves.svg] [--drift] [--double]

The file holds the weights at the start and every batch, so that nothing is left to chance (examples/support/twin_file.hpp). The
first 20 losses have to agree to 1e-4, or to five times what rounding makes of PyTorch's own. Rounding then takes the two apart,
as it takes PyTorch from itself: --drift trains once more, from weights one unit in the last place away, and says how far;
--double trains in double precision, and says which side is nearer to that. As many threads are used as the program had; its
steps a second include the drawing of batches. The picture's lower half is the relative difference.
"""
import argparse, math, os, sys, time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("--svg")
parser.add_argument("--drift", action="store_true")
parser.add_argument("--double", action="store_true")
options = parser.parse_args()
with open(options.file, "rb") as opened:
    threads = round(float(torch_side.header(opened)[1]["threads"]))
torch_side.start(threads)
import torch
import networks, torch_nets
from torch_nets import W

BEGINNING, TOLERANCE = 20, 1e-4
file, metadata = torch_side.read(options.file)
networks.said.update({k: v if k in ("network", "frozen") else float(v) for k, v in metadata.items()})
said, frozen = networks.said, set(metadata["frozen"].split())
losses, rates = file.pop("losses").tolist(), file.pop("rates").tolist()
batches = [{} for _ in losses]
for name, value in file.items():
    step, _, part = name.partition(".")
    if step.isdigit() and int(step) < len(batches):
        batches[int(step)][part] = value.long() if value.dtype == torch.int32 else value


def train(moved=False, kind=torch.float32):
    """The loss of every step, and steps a second. `moved`: every other weight starts one unit in the last place higher."""
    typed = lambda value: value.to(kind) if value.is_floating_point() else value
    W.clear()
    torch_nets.load(file)
    chance = torch.Generator().manual_seed(1)
    for name, value in W.items():
        if moved:
            above = torch.nextafter(value, torch.full_like(value, float("inf")))
            value = torch.where(torch.rand(value.shape, generator=chance) < 0.5, above, value)
        W[name] = typed(value.clone()).requires_grad_(name.replace("qkv", "query") not in frozen)
    learning = [w for w in W.values() if w.requires_grad]
    groups = [  # gains and biases do not decay
        {"params": [w for w in learning if w.dim() > 1], "weight_decay": said["decay"]},
        {"params": [w for w in learning if w.dim() <= 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(said["beta1"], said["beta2"]), eps=said["epsilon"])
    loss_of, seen, begin = getattr(networks, said["network"]), [], time.perf_counter()
    for rate, batch in zip(rates, batches):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of({name: typed(value) for name, value in batch.items()})
        loss.backward()
        if said["clip_norm"] > 0:
            torch.nn.utils.clip_grad_norm_(learning, said["clip_norm"])
        optimizer.step()
        seen.append(loss.item())
    return seen, len(seen) / (time.perf_counter() - begin)


def apart(a, b):
    return [abs(x - y) / abs(y) for x, y in zip(a, b)]


def figures(name, differences):
    return f"{name} {max(differences[:BEGINNING]):.1e} in the first {min(BEGINNING, len(differences))} steps, {max(differences):.1e} in all {len(differences)}"


def draw(path, ours, theirs, differences):
    """Losses above, ours thin upon theirs; their relative differences below, each of a series of (name, colour, values)."""
    left, width, upper, lower, gap = 64, 640, 240, 110, 34
    at = lambda i: left + width * i / max(len(ours) - 1, 1)
    low, high = min(ours + theirs), max(ours + theirs)
    small, large = -9, 0
    loss_at = lambda v: 24 + upper * (high - v) / max(high - low, 1e-9)
    below = 24 + upper + gap
    difference_at = lambda v: below + lower * (large - min(max(math.log10(max(v, 1e-12)), small), large)) / (large - small)
    parts = []

    def line(values, place, colour, thick):
        path = " ".join(f"{at(i):.1f},{place(v):.1f}" for i, v in enumerate(values))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thick}"/>')

    def text(x, y, what, more=""):
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{more}>{what}</text>')

    for share in range(5):
        v = low + (high - low) * share / 4
        parts.append(f'<path d="M{left} {loss_at(v):.1f}h{width}" stroke="#ddd"/>')
        text(left - 6, loss_at(v) + 4, f"{v:.3g}", ' text-anchor="end"')
    for power in range(small, large + 1, 3):
        parts.append(f'<path d="M{left} {difference_at(10.0 ** power):.1f}h{width}" stroke="#ddd"/>')
        text(left - 6, difference_at(10.0 ** power) + 4, f"1e{power}", ' text-anchor="end"')
    line(theirs, loss_at, "#f0b070", 4)
    line(ours, loss_at, "#204a87", 1)
    for _, colour, values in differences:
        line(values, difference_at, colour, 1)
    text(left, 14, f'{said["network"]}: <tspan fill="#c77b30">PyTorch</tspan>, <tspan fill="#204a87">Tessera upon it</tspan>; loss, nats')
    names = ", ".join(f'<tspan fill="{colour}">{name}</tspan>' for name, colour, _ in differences)
    text(left, below - 8, f"relative difference: {names}")
    text(left + width, below + lower + 16, f"step {len(ours)}", ' text-anchor="end"')
    with open(path, "w") as out:
        size = f'width="{left + width + 20}" height="{below + lower + 26}"'
        out.write(f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">\n')
        out.write('<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n")


theirs, rate = train()
series = [("Tessera from PyTorch", "#204a87", apart(losses, theirs))]
print(f"{said['network']}: loss {theirs[0]:.6g} to {theirs[-1]:.6g} (PyTorch), {losses[0]:.6g} to {losses[-1]:.6g} (Tessera)")
print(figures("losses differ by at most", series[0][2]))
if options.drift:
    series.append(("PyTorch from itself", "#c77b30", apart(train(moved=True)[0], theirs)))
    print(figures("PyTorch's from its own, weights moved by rounding:", series[-1][2]))
if options.double:
    exact = train(kind=torch.float64)[0]
    series.append(("Tessera from double precision", "#2f7d4f", apart(losses, exact)))
    print(figures("Tessera's from those in double precision", series[-1][2]))
    print(figures("PyTorch's from those in double precision", apart(theirs, exact)))
last = max(len(losses) // 10, 1)
here, there = (sum(side[-last:]) / last for side in (losses, theirs))
print(f"mean of the last {last} losses: PyTorch {there:.4f}, Tessera {here:.4f}, {100 * abs(here - there) / abs(there):.2f} % apart")
our_rate = len(losses) / said["seconds"]
print(f"steps a second, {threads} thread{'s' * (threads > 1)}: Tessera {our_rate:.3g}, PyTorch {rate:.3g}: {our_rate / rate:.2f} times")
if options.svg:
    draw(options.svg, losses, theirs, series)
if not max(series[0][2][:BEGINNING]) <= TOLERANCE:
    drift = apart(train(moved=True)[0], theirs)
    if not max(series[0][2][:BEGINNING]) <= 5 * max(drift[:BEGINNING]):
        sys.exit("the two sides do not compute the same")
