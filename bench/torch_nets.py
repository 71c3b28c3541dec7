"""Layers and networks that more than one of bench/'s PyTorch twins have, over weights by name. Import it after
torch_side.start()."""
import math

import torch
import torch.nn.functional as F

W = {}  # weights in PyTorch's layouts


def load(file):
    """Fills W with the tensors of a file whose names begin with `net.`."""
    for name, value in file.items():
        if name.startswith("net."):
            if value.dim() == 4:  # [KH, KW, in, out] -> [out, in, KH, KW]; transposed convolutions alike
                value = value.permute(3, 2, 0, 1).contiguous()
            elif value.dim() == 3:  # [K, in, out] -> [out, in, K]
                value = value.permute(2, 1, 0).contiguous()
            W[name[4:]] = value
    for name in [n[: -len("query.weight")] for n in W if n.endswith("query.weight")]:  # one product for three
        for kind in [k for k in ("weight", "bias") if name + "query." + k in W]:
            W[name + "qkv." + kind] = torch.cat([W.pop(name + part + "." + kind) for part in ("query", "key", "value")])


def linear(x, name):
    return F.linear(x, W[name + ".weight"], W.get(name + ".bias"))


def conv(x, name, stride=1, padding=None):
    w = W[name + ".weight"]
    return F.conv2d(x, w, W.get(name + ".bias"), stride, (w.shape[2] - 1) // 2 if padding is None else padding)


def conv_transpose(x, name, stride=2, padding=1):
    return F.conv_transpose2d(x, W[name + ".weight"], W.get(name + ".bias"), stride, padding)


def layer_norm(x, name):
    return F.layer_norm(x, x.shape[-1:], W.get(name + ".weight"), W.get(name + ".bias"))


def group_norm(x, name):
    return F.group_norm(x, 32, W[name + ".weight"], W[name + ".bias"])


def heads_attention(x, name, heads, mask=None):
    b, t, c = x.shape
    q, k, v = linear(x, name + ".qkv").view(b, t, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
    a = (q @ k.transpose(-2, -1)) * (c // heads) ** -0.5
    if mask is not None:
        a = a.masked_fill(mask, float("-inf"))
    return linear((a.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c), name + ".output")


def residual(h, e, p):
    r = conv(F.silu(group_norm(h, p + "norm1")), p + "conv1") + linear(e, p + "time")[:, :, None, None]
    skip = conv(h, p + "skip") if p + "skip.weight" in W else h
    return skip + conv(F.silu(group_norm(r, p + "norm2")), p + "conv2")


def one_head(h, p):
    b, c, height, width = h.shape
    rows = group_norm(h, p + "norm").view(b, c, height * width)
    w = W[p + "qkv.weight"]
    q, k, v = F.conv1d(rows, w[:, :, None], W[p + "qkv.bias"]).split(c, 1)
    a = torch.bmm(q.transpose(1, 2), k).mul(c**-0.5).softmax(-1)
    out = torch.bmm(v, a.transpose(1, 2))
    return h + F.conv1d(out, W[p + "output.weight"][:, :, None], W[p + "output.bias"]).view(b, c, height, width)


def spatial(h, text, p):
    """A transformer's block over the places of a picture: to itself, to the text, and a gated product."""
    b, c, height, width = h.shape

    def attend(x, p, context=None, heads=8):
        n = layer_norm(x, p + "norm")
        context = n if context is None else context
        q, k, v = (linear(s, p + m).view(b, -1, heads, c // heads).transpose(1, 2) for s, m in ((n, "q"), (context, "k"), (context, "v")))
        a = ((q @ k.transpose(-2, -1)) * (c // heads) ** -0.5).softmax(-1)
        return x + linear((a @ v).transpose(1, 2).reshape(x.shape), p + "output")

    x = linear(group_norm(h, p + "norm").flatten(2).transpose(1, 2), p + "first")
    x = attend(attend(x, p + "self."), p + "cross.", text)
    n = layer_norm(x, p + "norm3")
    x = x + linear(linear(n, p + "up") * F.gelu(linear(n, p + "gate")), p + "down")
    return h + linear(x, p + "last").transpose(1, 2).reshape(h.shape)


def unet(x, t, text=None):
    """The forward pass for pictures x [B, C, H, W] and embedded times t, and vectors of text where attention looks at some."""

    def stage(h, e, p):
        h = residual(h, e, p + "block.")
        if text is not None and p + "attention.first.weight" in W:
            return spatial(h, text, p + "attention.")
        return one_head(h, p + "attention.") if p + "attention.qkv.weight" in W else h

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

    return forward


def dit(x, t, labels):
    """The forward pass of a DiT-S/2 for x [B, 4, 32, 32]."""
    b, d, g = x.shape[0], W["position"].shape[1], 16
    first = W["first.weight"].detach().view(d, 2, 2, 4).permute(0, 3, 1, 2).contiguous()
    W["first.weight"] = first.requires_grad_(W["first.weight"].requires_grad)

    def forward():
        h = F.conv2d(x, W["first.weight"], W["first.bias"], 2).flatten(2).transpose(1, 2) + W["position"]
        c = F.silu(linear(F.silu(linear(t, "time1")), "time2") + W["label.weight"][labels])
        for i in range(12):
            p = f"blocks.{i}."
            b1, s1, g1, b2, s2, g2 = linear(c, p + "modulation").unsqueeze(1).chunk(6, -1)
            h = h + g1 * heads_attention(F.layer_norm(h, (d,)) * (1 + s1) + b1, p + "attention", 6)
            r = F.layer_norm(h, (d,)) * (1 + s2) + b2
            h = h + g2 * linear(F.gelu(linear(r, p + "mlp.up"), approximate="tanh"), p + "mlp.down")
        shift, scale = linear(c, "modulation").unsqueeze(1).chunk(2, -1)
        h = linear(F.layer_norm(h, (d,)) * (1 + scale) + shift, "last")
        return h.view(b, g, g, 2, 2, 4).permute(0, 5, 1, 3, 2, 4).reshape(b, 4, 32, 32)

    return forward


def pixel_cnn(levels, condition, name="", most=255):
    """levels [B, H, W] up to `most`, condition [B, D] -> what is known of each pixel [B, K, H, W], and how x was read."""

    def causal(h, part, up, left, right):
        return F.conv2d(F.pad(h, (left, right, up, 0)), W[part + ".weight"], W[part + ".bias"])

    def point(h, part):
        return F.conv2d(h, W[part + ".weight"][:, :, None, None], W.get(part + ".bias"))

    def gate(h):
        a, b = h.chunk(2, 1)
        return torch.tanh(a) * torch.sigmoid(b)

    scaled = (2 * levels[:, None].float() / most - 1).to(condition.dtype)
    vectors = W.get(name + "vectors.weight")
    x = scaled if vectors is None else F.embedding(levels, vectors).permute(0, 3, 1, 2)
    told = condition[:, :, None, None]
    if name + "map.weight" in W:
        told = F.silu(linear(condition, name + "map")).unflatten(1, (*levels.shape[1:], -1)).permute(0, 3, 1, 2)
    v, h = F.pad(x, (0, 0, 1, 0))[:, :, :-1], F.pad(x, (1, 0))[:, :, :, :-1]
    i = 0
    while f"{name}layers.{i}.out.weight" in W:
        p = f"{name}layers.{i}."
        reach = W[p + "horizontal.weight"].shape[3] - 1
        seen = causal(v, p + "vertical", reach, reach, reach)
        here = causal(h, p + "horizontal", 0, reach, 0) + point(seen, p + "link")
        more = point(gate(here + point(told, p + "horizontal_condition")), p + "out")
        h = more if i == 0 else h + more
        if p + "vertical_condition.weight" in W:  # nobody reads the last v
            v = gate(seen + point(told, p + "vertical_condition"))
        i += 1
    return point(F.relu(point(F.relu(h), name + "heads.0.first")), name + "heads.0.last"), scaled


def logistic_mixture(numbers, x):
    """numbers [B, 3 K, H, W], x [B, 1, H, W] in [-1, 1]: nats a pixel. As PixelCNN++ has it, with its three cases, where Tessera
    has one formula."""
    weights, means, scales = numbers.chunk(3, 1)
    scales = scales.clamp(min=-7)
    inverse, half = torch.exp(-scales), 1 / 255
    centred = x - means
    plus, minus = inverse * (centred + half), inverse * (centred - half)
    share = torch.sigmoid(plus) - torch.sigmoid(minus)
    middle = inverse * centred
    thin = middle - scales - 2 * F.softplus(middle) - math.log(127.5)
    inner = torch.where(share > 1e-5, torch.log(share.clamp(min=1e-12)), thin)
    log_p = torch.where(x < -0.999, plus - F.softplus(plus), torch.where(x > 0.999, -F.softplus(minus), inner))
    return -torch.logsumexp(log_p + F.log_softmax(weights, 1), 1).mean()
