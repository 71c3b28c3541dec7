"""Layers and networks that more than one of bench/'s PyTorch twins have, over weights by name. Import it after
torch_side.start()."""
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
