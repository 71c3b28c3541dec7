"""The other side of compare.py: the networks of bench/generation in PyTorch, from the same weights.

  python3 twins.py NAME FILE RESULT SECONDS THREADS

RESULT is what Tessera computed; printed are how far this side is from it (greatest difference / greatest number) and the rate.
Weights that Tessera holds in F16 or in blocks are rounded to the same numbers here and calculated with in F32: PyTorch on a CPU
has nothing smaller that writes with them.
"""
import os, sys

NAME, FILE, RESULT, SECONDS, THREADS = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5])
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

torch_side.start(THREADS)
import torch
import torch.nn.functional as F

torch.set_grad_enabled(False)
file, _ = torch_side.read(FILE)
W = {}  # weights in PyTorch's layouts
for name, value in file.items():
    if name.startswith("net."):
        if value.dim() == 4:  # [KH, KW, in, out] -> [out, in, KH, KW]
            value = value.permute(3, 2, 0, 1).contiguous()
        elif value.dim() == 3:  # [K, in, out] -> [out, in, K]
            value = value.permute(2, 1, 0).contiguous()
        W[name[4:]] = value
for name in [n[: -len("query.weight")] for n in W if n.endswith("query.weight")]:  # one product for three
    for kind in ("weight", "bias"):
        W[name + "qkv." + kind] = torch.cat([W.pop(name + part + "." + kind) for part in ("query", "key", "value")])


def half(x):
    return x.half().float()


def blocks(x, bits):  # Q8_0 and Q4_0: 32 numbers share a scale
    b = x.reshape(-1, 32)
    greatest = b.abs() == b.abs().amax(1, keepdim=True)
    extreme = b.gather(1, (greatest * torch.arange(32, 0, -1)).argmax(1, keepdim=True))  # the first: its sign decides
    d = half(extreme.abs() / 127 if bits == 8 else extreme / -8)
    q = torch.where(d == 0, torch.zeros_like(b), torch.round(b / d)).clamp(*((-127, 127) if bits == 8 else (-8, 7)))
    return (d * q).reshape(x.shape)


def linear(x, name):
    return F.linear(x, W[name + ".weight"], W.get(name + ".bias"))


def conv(x, name, stride=1):
    w = W[name + ".weight"]
    return F.conv2d(x, w, W.get(name + ".bias"), stride, (w.shape[2] - 1) // 2)


def layer_norm(x, name):
    return F.layer_norm(x, x.shape[-1:], W[name + ".weight"], W[name + ".bias"])


def group_norm(x, name):
    return F.group_norm(x, 32, W[name + ".weight"], W[name + ".bias"])


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


def gpt2(change=None):
    if change:
        for name in W:
            if W[name].dim() == 2 and name != "positions.weight":
                W[name] = change(W[name])
    return Gpt(12, 12, 256).cached()


def gpt2_f32():
    return gpt2()


def gpt2_f16():
    return gpt2(half)


def gpt2_q8():
    return gpt2(lambda w: blocks(w, 8))


def gpt2_q4():
    return gpt2(lambda w: blocks(w, 4))


def gpt2_prefill():
    m = Gpt(12, 12, 512)
    units = (torch.arange(512) * 7919 + 13) % m.v
    return m.all(units)[506:512], lambda: m.all(units), 512


def gpt():
    return Gpt(6, 6, 256).cached()


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
    x, t = channels_first("x", batch), file["t"][:batch]

    def residual(h, e, p):
        r = conv(F.silu(group_norm(h, p + "norm1")), p + "conv1") + linear(e, p + "time")[:, :, None, None]
        skip = conv(h, p + "skip") if p + "skip.weight" in W else h
        return skip + conv(F.silu(group_norm(r, p + "norm2")), p + "conv2")

    def attend(h, p):
        b, c, height, width = h.shape
        rows = group_norm(h, p + "norm").view(b, c, height * width)
        q, k, v = F.conv1d(rows, W[p + "qkv.weight"][:, :, None], W[p + "qkv.bias"]).split(c, 1)
        a = torch.bmm(q.transpose(1, 2), k).mul(c**-0.5).softmax(-1)
        out = torch.bmm(v, a.transpose(1, 2))
        return h + F.conv1d(out, W[p + "output.weight"][:, :, None], W[p + "output.bias"]).view(b, c, height, width)

    def stage(h, e, p):
        h = residual(h, e, p + "block.")
        return attend(h, p + "attention.") if p + "attention.qkv.weight" in W else h

    count = lambda name: 1 + max(int(n.split(".")[1]) for n in W if n.startswith(name + "."))
    downs, middles, ups = count("down"), count("middle"), count("up")

    def forward():
        e = F.silu(linear(F.silu(linear(t, "time1")), "time2"))
        h = conv(x, "first")
        skips = [h]
        for i in range(downs):
            p = f"down.{i}."
            h = conv(h, p + "resize", 2) if p + "resize.weight" in W else stage(h, e, p)
            skips.append(h)
        for i in range(middles):
            h = stage(h, e, f"middle.{i}.")
        for i in range(ups):
            p = f"up.{i}."
            if p + "resize.weight" in W:
                h = conv(F.interpolate(h, scale_factor=2.0, mode="nearest"), p + "resize")
            else:
                h = stage(torch.cat([h, skips.pop()], 1), e, p)
        return conv(F.silu(group_norm(h, "norm")), "last")

    return forward().permute(0, 2, 3, 1), forward, batch


def unet_1():
    return unet(1)


def unet_16():
    return unet(16)


def dit_1():
    x, t, label = channels_first("x", 1), file["t"][:1], torch.tensor([3])
    d = W["position"].shape[1]
    W["first.weight"] = W["first.weight"].view(d, 2, 2, 4).permute(0, 3, 1, 2).contiguous()

    def attend(h, name):
        q, k, v = linear(h, name + ".qkv").view(1, 256, 3, 6, d // 6).permute(2, 0, 3, 1, 4)
        return linear((((q @ k.transpose(-2, -1)) * (d // 6) ** -0.5).softmax(-1) @ v).transpose(1, 2).reshape(1, 256, d), name + ".output")

    def forward():
        h = F.conv2d(x, W["first.weight"], W["first.bias"], 2).flatten(2).transpose(1, 2) + W["position"]
        c = F.silu(linear(F.silu(linear(t, "time1")), "time2") + W["label.weight"][label])
        for i in range(12):
            p = f"blocks.{i}."
            b1, s1, g1, b2, s2, g2 = linear(c, p + "modulation").unsqueeze(1).chunk(6, -1)
            h = h + g1 * attend(F.layer_norm(h, (d,)) * (1 + s1) + b1, p + "attention")
            r = F.layer_norm(h, (d,)) * (1 + s2) + b2
            h = h + g2 * linear(F.gelu(linear(r, p + "mlp.up"), approximate="tanh"), p + "mlp.down")
        shift, scale = linear(c, "modulation").unsqueeze(1).chunk(2, -1)
        h = linear(F.layer_norm(h, (d,)) * (1 + scale) + shift, "last")
        return h.view(1, 16, 16, 2, 2, 4).permute(0, 1, 3, 2, 4, 5).reshape(1, 32, 32, 4)

    return forward(), forward, 1


result, step, items = globals()[NAME]()
ours = torch_side.read(RESULT)[0]["result"]
print("differ %.3g" % ((ours - result).abs().max() / result.abs().max()))
print("rate %.6g" % (torch_side.rate(step, SECONDS) * items))
