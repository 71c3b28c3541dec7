"""PyTorch's side of compare.py: the operations of bench/ops on the same numbers.

  python3 twins.py SECONDS THREADS NAME ...      a line each: name, runs a second, two sums of the result (channels last)
"""
import os, re, statistics, sys, time

SECONDS, THREADS = float(sys.argv[1]), int(sys.argv[2])
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

torch_side.start(THREADS)
import numpy as np
import torch
import torch.nn.functional as F

torch.set_grad_enabled(False)


def numbers(shape, seed):
    i = np.arange(int(np.prod(shape)), dtype=np.int64)
    x = ((i * 7919 + seed * 104729) % 1000).astype(np.float32) * np.float32(1e-3) - np.float32(0.5)
    return torch.from_numpy(x.reshape(shape))


def first(t):  # [B, H, W, C] -> [B, C, H, W]
    return t.permute(0, 3, 1, 2).contiguous()


def last(t):
    return t.permute(0, 2, 3, 1).contiguous()


def gemm(m, n, k, form):
    a = numbers((k, m), 1).t() if form[0] == "T" else numbers((m, k), 1)
    b = numbers((n, k), 2).t() if form[1] == "T" else numbers((k, n), 2)
    return lambda: a @ b


def batch_of_64s():
    a, b = numbers((256, 64, 64), 1), numbers((256, 64, 64), 2)
    return lambda: torch.bmm(a, b)


def linear_gelu():
    x, w, b = numbers((1024, 512), 1), numbers((2048, 512), 2) * 0.0625, numbers((2048,), 3)
    return lambda: F.gelu(F.linear(x, w, b))


def gemv(n, k):
    w, x = numbers((n, k), 1), numbers((k,), 2)
    return lambda: torch.mv(w, x)


def conv(kind, batch, side, c, out, kernel, stride):
    padding = (kernel - 1) // 2 if kernel != 4 else 1
    to = (side + 2 * padding - kernel) // stride + 1
    x = first(numbers((batch, side, side, c), 1))
    w = numbers((kernel, kernel, c, out), 2).permute(3, 2, 0, 1).contiguous()
    dy = first(numbers((batch, to, to, out), 3))
    if kind == "forward":
        return lambda: F.conv2d(x, w, None, stride, padding), last
    want = [kind == "input", kind == "weight", False]
    call = lambda: torch.ops.aten.convolution_backward(dy, x, w, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, want)
    if kind == "input":
        return lambda: call()[0], last
    return lambda: call()[1], lambda t: t.permute(2, 3, 1, 0).contiguous()


def dilated(d):
    x = numbers((1, 16000, 64), 1).transpose(1, 2).contiguous()
    w = numbers((2, 64, 64), 2).permute(2, 1, 0).contiguous()
    return lambda: F.conv1d(F.pad(x, (d, 0)), w, dilation=d), lambda t: t.transpose(1, 2).contiguous()


def attention(both, batch, length, width, heads):
    q, k, v, seed = (numbers((batch, length, width), s) for s in (1, 2, 3, 4))
    mask = torch.ones(length, length, dtype=torch.bool).triu(1)
    split = lambda t: t.view(batch, length, heads, width // heads).transpose(1, 2)

    def forward(q, k, v):
        a = (split(q) @ split(k).transpose(-2, -1)) * (width // heads) ** -0.5
        return (a.masked_fill(mask, float("-inf")).softmax(-1) @ split(v)).transpose(1, 2).reshape(batch, length, width)

    if not both:
        return lambda: forward(q, k, v)

    def backward():
        with torch.enable_grad():
            leaves = [t.detach().requires_grad_(True) for t in (q, k, v)]
            forward(*leaves).backward(seed)
            return leaves[0].grad

    return backward


def rows(name, count):
    x = numbers((count // 1024, 1024), 1)
    gain, bias = numbers((1024,), 2), numbers((1024,), 3)
    if name == "group_norm":
        y = x.view(-1, 1024, 64).transpose(1, 2).contiguous()
        return lambda: F.group_norm(y, 8, gain[:64], bias[:64]), lambda t: t.transpose(1, 2).contiguous()
    return {
        "exp": lambda: torch.exp(x), "tanh": lambda: torch.tanh(x), "gelu": lambda: F.gelu(x), "silu": lambda: F.silu(x),
        "softmax": lambda: F.softmax(x, 1), "layer_norm": lambda: F.layer_norm(x, (1024,), gain, bias),
        "batch_norm": lambda: F.batch_norm(x, None, None, gain, bias, training=True)}[name], lambda t: t


def fill(kind):
    y = torch.empty(1 << 20)
    return (lambda: y.normal_()) if kind == "normal" else (lambda: y.uniform_())


def adamw():
    with torch.enable_grad():
        w = numbers((10000, 1000), 1).requires_grad_(True)
    w.grad = numbers((10000, 1000), 2)
    optimizer = torch.optim.AdamW([w], lr=1e-3)
    return lambda: optimizer.step()


def make(name):
    """The operation, how its result becomes channels last, and whether it is compared."""
    same = lambda t: t
    n = [int(v) for v in re.findall(r"\d+", name)]
    if name == "gemm_256x64_64_64":
        return batch_of_64s(), same, True
    if name.startswith("gemm_"):
        return gemm(*n[:3], name[-2:]), same, True
    if name.startswith("linear_gelu"):
        return linear_gelu(), same, True
    if name.startswith("gemv_"):
        return gemv(*n), same, True
    if name.startswith("conv1d"):
        return *dilated(n[-1]), True
    if name.startswith("conv_"):
        return *conv(name.split("_")[1], n[0], n[1], n[3], n[4], n[5], n[6]), True
    if name.startswith("attention_"):
        return attention("both" in name, *n), same, True
    if name.endswith("_1M") and name.split("_")[0] in ("normal", "uniform"):
        return fill(name.split("_")[0]), same, False
    if name == "adamw_10M":
        return adamw(), same, False
    base, count = name.rsplit("_", 1)
    return *rows(base, 1 << (24 if count == "16M" else 20)), True


for name in sys.argv[3:]:
    op, view, compared = make(name)
    y = op()
    times, end = [], time.perf_counter() + SECONDS
    while len(times) < 5 or time.perf_counter() < end:
        count, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < 2e-3:
            y = op()
            count += 1
        times.append(passed / count)
    size = weighted = 0.0
    if compared:
        flat = view(y).numpy().astype(np.float64).ravel()
        size, weighted = np.abs(flat).sum(), (flat * (np.arange(flat.size) % 7 - 3)).sum()
    print(name, "%.9g %.9g %.9g" % (1 / statistics.median(times), size, weighted), flush=True)
