"""The other side of compare.py: the networks of bench/generation in PyTorch, from the same weights.

  python3 twins.py NAME FILE RESULT SECONDS THREADS

RESULT is what Tessera computed; printed are how far this side is from it (greatest difference / greatest number), the rate, and
what an item asks of any side: GFLOPs, and GB of weights that Tessera's format makes it read.
Weights that Tessera holds in F16 or in blocks are rounded to the same numbers here and calculated with in F32: PyTorch on a CPU
has nothing smaller that writes with them.
"""
import math, os, resource, sys

NAME, FILE, RESULT, SECONDS, THREADS = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5])
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

torch_side.start(THREADS)
import torch
import torch.nn.functional as F
import torch_nets
from torch_nets import W, layer_norm, linear

torch.set_grad_enabled(False)
file, metadata = torch_side.read(FILE)
torch_nets.load(file)


def half(x):
    return x.half().float()


def blocks(x, bits):  # Q8_0 and Q4_0: 32 numbers share a scale
    b = x.reshape(-1, 32)
    greatest = b.abs() == b.abs().amax(1, keepdim=True)
    extreme = b.gather(1, (greatest * torch.arange(32, 0, -1)).argmax(1, keepdim=True))  # the first: its sign decides
    d = half(extreme.abs() / 127 if bits == 8 else extreme / -8)
    # times 1 / d, as the format rounds: b / d has another nearest number in 2 of GPT-2's 124 M weights, and one in the head
    # moves a logit by 5e-3
    q = torch.where(d == 0, torch.zeros_like(b), torch.round(b * (1 / d))).clamp(*((-127, 127) if bits == 8 else (-8, 7)))
    return (d * q).reshape(x.shape)


class Gpt:
    def __init__(self, layers, heads, longest):
        self.layers, self.heads, self.longest = layers, heads, longest
        self.v, self.d = W["embedding.weight"].shape

    def block(self, x, i, attend):  # x [T, D]
        p = f"blocks.{i}."
        q, k, v = linear(layer_norm(x, p + "norm1"), p + "attention.qkv").view(len(x), 3, self.heads, -1).permute(1, 2, 0, 3)
        x = x + linear(attend(i, q, k, v).transpose(0, 1).reshape(len(x), self.d), p + "attention.output")
        return x + linear(F.gelu(linear(layer_norm(x, p + "norm2"), p + "mlp.up"), approximate="tanh"), p + "mlp.down")

    def all(self, units):
        t = len(units)
        mask = torch.ones(t, t, dtype=torch.bool).triu(1)
        scale = (self.d // self.heads) ** -0.5
        x = W["embedding.weight"][units] + W["positions.weight"][:t]
        for i in range(self.layers):
            x = self.block(x, i, lambda i, q, k, v: ((q @ k.transpose(1, 2)) * scale).masked_fill(mask, float("-inf")).softmax(-1) @ v)
        return layer_norm(x, "norm") @ W["embedding.weight"].t()

    def begin(self):
        shape = (self.layers, self.heads, self.longest, self.d // self.heads)
        self.keys, self.values, self.at = torch.zeros(shape), torch.zeros(shape), 0

    def next(self, unit):
        at, scale = self.at, (self.d // self.heads) ** -0.5

        def attend(i, q, k, v):
            self.keys[i, :, at], self.values[i, :, at] = k[:, 0], v[:, 0]
            return ((q @ self.keys[i, :, : at + 1].transpose(1, 2)) * scale).softmax(-1) @ self.values[i, :, : at + 1]

        x = (W["embedding.weight"][unit] + W["positions.weight"][at])[None]
        for i in range(self.layers):
            x = self.block(x, i, attend)
        self.at += 1
        return (layer_norm(x, "norm") @ W["embedding.weight"].t())[0]

    def cached(self):
        self.begin()
        for i in range(16):
            result = self.next((i * 7919 + 13) % self.v)
        self.begin()
        logits = [self.next(0)]

        def step():
            if self.at >= self.longest:
                self.begin()
                logits[0] = self.next(0)
            logits[0] = self.next(int(logits[0].argmax()))

        return result, step, 1


def writing(layers, heads, bits=32, change=lambda w: w):
    """A GPT whose matrices have so many bits a number on Tessera's side; change(w) is what is left of them."""
    global read
    for name in W:
        if W[name].dim() == 2 and name != "positions.weight":
            W[name] = change(W[name])
            read += W[name].numel() * bits / 8e9
    return Gpt(layers, heads, 256).cached()


def gpt2_f32():
    return writing(12, 12)


def gpt2_f16():
    return writing(12, 12, 16, half)


def gpt2_q8():
    return writing(12, 12, 8.5, lambda w: blocks(w, 8))


def gpt2_q4():
    return writing(12, 12, 4.5, lambda w: blocks(w, 4))


def gpt2_prefill():
    m = Gpt(12, 12, 512)
    units = (torch.arange(512) * 7919 + 13) % m.v
    return m.all(units)[506:512], lambda: m.all(units), 512


def gpt():
    return writing(6, 6)


def wavenet(layers=20, skip=64, change=lambda w: w):
    for name in W:
        if W[name].dim() > 1 and name != "embedding.weight":  # a table that is looked up stays as it is
            W[name] = change(W[name])
    gates = [W[f"layers.{i}.gates.weight"].permute(0, 2, 1).reshape(128, -1).contiguous() for i in range(layers)]  # [2 R, 2 R]
    state = {}

    def begin():
        state["queues"], state["at"] = [torch.zeros(2 ** (i % 10), 64) for i in range(layers)], 0

    def next(unit):
        x, skips = W["embedding.weight"][unit], 0
        for i in range(layers):
            queue = state["queues"][i]
            slot = state["at"] % len(queue)
            a, b = torch.addmv(W[f"layers.{i}.bias"], gates[i], torch.cat([queue[slot], x])).chunk(2)
            queue[slot] = x
            out = torch.addmv(W[f"layers.{i}.mix.bias"], W[f"layers.{i}.mix.weight"], torch.tanh(a) * torch.sigmoid(b))
            if i + 1 < layers:
                x, out = x + out[:64], out[64:]
            skips = skips + out
        state["at"] += 1
        return linear(F.relu(linear(F.relu(skips), "post")), "last")

    begin()
    next(128)  # silence comes first
    for i in range(32):
        result = next((i * 37 + 100) % 256)
    logits = [result]

    def step():
        logits[0] = next(int(logits[0].argmax()))

    return result, step, 1


def wavenet_30_f16():
    return wavenet(30, 256, half)


def channels_first(name, batch):  # [B, H, W, C] -> [B, C, H, W]
    return file[name][:batch].permute(0, 3, 1, 2).contiguous()


def unet(batch):
    forward = torch_nets.unet(channels_first("x", batch), file["t"][:batch])
    return forward().permute(0, 2, 3, 1), forward, batch


def unet_1():
    return unet(1)


def unet_16():
    return unet(16)


def dit_1():
    forward = torch_nets.dit(channels_first("x", 1), file["t"][:1], torch.tensor([3]))
    return forward().permute(0, 2, 3, 1), forward, 1


def scattered(k, count):
    """The numbers of latents.cpp's parameter k."""
    import numpy as np

    h = np.arange(count, dtype=np.uint32)
    h *= np.uint32(0x9E3779B1)
    h += np.uint32(k * 0x85EBCA77 % 2**32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h ^= h >> np.uint32(shift)
        h *= np.uint32(factor)
    h ^= h >> np.uint32(16)
    h >>= np.uint32(8)
    return torch.from_numpy(h.astype(np.float32)).mul_(2.0**-23).sub_(1)


def unet_860m():
    for k, entry in enumerate(metadata["shapes"].split(";")):
        name, *shape = entry.split()
        shape = [int(n) for n in shape]
        inputs = {1: 300, 2: shape[-1], 4: math.prod(shape[:-1])}[len(shape)]
        value = scattered(k, math.prod(shape)).mul_(math.sqrt(3 / inputs)).view(shape)
        if len(shape) == 1 and name.endswith("weight"):
            value += 1
        torch_nets.load({name: value})
    forward = torch_nets.unet(channels_first("x", 1), file["t"], file["text"])
    return forward().permute(0, 2, 3, 1), forward, 1


read = 0.0  # GB of weights an item, where they are read from memory
result, step, items = globals()[NAME]()
ours = torch_side.read(RESULT)[0]["result"]
print("differ %.3g" % ((ours - result).abs().max() / result.abs().max()))
print("rate %.6g" % (torch_side.rate(step, SECONDS) * items))
print("work %.6g" % (torch_side.work(step) / items))
print("read %.6g" % read)
print("memory %.6g" % (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
