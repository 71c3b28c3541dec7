"""The other side of compare.sh: the same network, batch, optimizer and average in PyTorch, from the same weights.

  python3 twin.py run FILE SECONDS THREADS"""
import math, os, sys

FILE, SECONDS, THREADS = sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

torch_side.start(THREADS)
import torch
import torch.nn.functional as F

file, _ = torch_side.read(FILE)
W = {}
for name, value in file.items():
    if name.startswith("net."):
        if value.dim() == 4:  # [KH, KW, in, out] -> [out, in, KH, KW]
            value = value.permute(3, 2, 0, 1).contiguous()
        W[name[4:]] = value.requires_grad_(True)


def linear(x, name):
    return F.linear(x, W[name + ".weight"], W.get(name + ".bias"))


def conv(x, name, stride=1):
    w = W[name + ".weight"]
    return F.conv2d(x, w, W[name + ".bias"], stride, (w.shape[2] - 1) // 2)


def layer_norm(x, name):
    return F.layer_norm(x, x.shape[-1:], W[name + ".weight"], W[name + ".bias"])


def group_norm(x, name):
    c = x.shape[1]
    g = 32
    while g > 1 and (c % g != 0 or c // g < 8):
        g //= 2
    return F.group_norm(x, g, W[name + ".weight"], W[name + ".bias"])


def attention(x, context, name, heads, keep=None):
    b, n, c = x.shape
    q, k, v = (linear(s, f"{name}.{part}").view(b, -1, heads, c // heads).transpose(1, 2)
               for s, part in ((x, "query"), (context, "key"), (context, "value")))
    a = q @ k.transpose(-2, -1) * (c // heads) ** -0.5
    if keep is not None:
        a = a.masked_fill(~keep[:, None, None, :], float("-inf"))
    return linear((a.softmax(-1) @ v).transpose(1, 2).reshape(b, n, c), name + ".output")


def residual(x, e, name):
    h = group_norm(conv(F.silu(group_norm(x, name + ".norm1")), name + ".conv1"), name + ".norm2")
    scale, shift = linear(e, name + ".modulation")[:, :, None, None].chunk(2, 1)
    h = conv(F.silu(h * (scale + 1) + shift), name + ".conv2")
    return (conv(x, name + ".skip") if name + ".skip.weight" in W else x) + h


def spatial(x, words, keep, name):
    b, c, h, w = x.shape
    heads = c // 32 if c % 32 == 0 else 1
    s = x.flatten(2).transpose(1, 2)
    y = layer_norm(s, name + ".norm1")
    s = s + attention(y, y, name + ".self", heads)
    s = s + attention(layer_norm(s, name + ".norm2"), words, name + ".cross", heads, keep)
    return s.transpose(1, 2).reshape(b, c, h, w)


def text(ids):
    keep = ids != 0
    x = F.embedding(ids, W["text.embedding.weight"]) + W["text.positions.weight"][: ids.shape[1]]
    i = 0
    while f"text.blocks.{i}.norm1.weight" in W:
        n = f"text.blocks.{i}"
        y = layer_norm(x, n + ".norm1")
        x = x + attention(y, y, n + ".attention", 4, keep)
        x = x + linear(F.gelu(linear(layer_norm(x, n + ".norm2"), n + ".mlp.up")), n + ".mlp.down")
        i += 1
    x = layer_norm(x, "text.norm")
    share = keep.float() / keep.sum(1, keepdim=True)
    return x, (x * share[..., None]).sum(1), keep


def net(x, t, ids):
    words, pooled, keep = text(ids)
    f = torch.exp(-math.log(10000) * torch.arange(64) / 64)
    angle = t[:, None] * 1000 * f
    features = torch.cat([angle.cos(), angle.sin()], 1)
    e = F.silu(linear(F.silu(linear(features, "time1")), "time2") + linear(pooled, "pooled"))
    b, side, _, c = x.shape
    x = x.view(b, side // 2, 2, side // 2, 2, c).permute(0, 2, 4, 5, 1, 3).reshape(b, 4 * c, side // 2, side // 2)
    h = conv(x, "unet.first")
    skips = [h]
    i = 0
    while f"unet.down.{i}.block.conv1.weight" in W or f"unet.down.{i}.down.conv.weight" in W:
        n = f"unet.down.{i}"
        h = conv(h, n + ".down.conv", 2) if n + ".down.conv.weight" in W else residual(h, e, n + ".block")
        if n + ".attention.norm1.weight" in W:
            h = spatial(h, words, keep, n + ".attention")
        skips.append(h)
        i += 1
    h = residual(h, e, "unet.middle1")
    h = residual(spatial(h, words, keep, "unet.middle_attention"), e, "unet.middle2")
    i = 0
    while f"unet.up.{i}.block.conv1.weight" in W or f"unet.up.{i}.up.conv.weight" in W:
        n = f"unet.up.{i}"
        if n + ".up.conv.weight" in W:
            h = conv(F.interpolate(h, scale_factor=2.0, mode="nearest"), n + ".up.conv")
        else:
            h = residual(torch.cat([h, skips.pop()], 1), e, n + ".block")
            if n + ".attention.norm1.weight" in W:
                h = spatial(h, words, keep, n + ".attention")
        i += 1
    y = conv(F.silu(group_norm(h, "unet.norm")), "unet.last")
    return y.view(b, 2, 2, c, side // 2, side // 2).permute(0, 4, 1, 5, 2, 3).reshape(b, side, side, c)


parameters = list(W.values())
optimizer = torch.optim.AdamW(
    [{"params": [p for p in parameters if p.dim() >= 2], "weight_decay": 0.01},
     {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}],
    lr=1e-3, betas=(0.9, 0.99), eps=1e-8)
average = [p.detach().clone() for p in parameters]
x, t, velocity, ids = file["x"], file["t"], file["velocity"], file["ids"].long()


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = F.mse_loss(net(x, t, ids), velocity)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    with torch.no_grad():
        torch._foreach_mul_(average, 0.999)
        torch._foreach_add_(average, parameters, alpha=0.001)
    return loss.item()


print("losses", *(f"{step():.6f}" for _ in range(5)))
print(f"rate {torch_side.rate(step, SECONDS) * x.shape[0]:.3f}")
