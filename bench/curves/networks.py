"""The networks that the examples train, in PyTorch: each function's name is what a training program's --twin calls its network, and
it gives the loss of a batch. Weights by name are torch_nets.W; `said` are the numbers that no shape tells. Import it after
torch_side.start()."""
import math

import torch
import torch.nn.functional as F

import torch_nets
from torch_nets import W, conv, conv_transpose, heads_attention, layer_norm, linear

said = {}


def count(name):
    """How many there are of a part that is numbered from 0."""
    n = 0
    while any(key.startswith(f"{name}.{n}.") for key in W):
        n += 1
    return n


def cross_entropy(logits, wanted, smoothing=0.0):
    return F.cross_entropy(logits.flatten(0, -2), wanted.flatten(), ignore_index=-1, label_smoothing=smoothing)


def embed(ids, name):  # indexing would do, but for an adjoint that is many times slower
    return F.embedding(ids, W[name + ".weight"])


# ---- Transformers


def causal(t):
    return torch.ones(t, t, dtype=torch.bool).triu(1)


def cross_attention(x, memory, name, heads, hidden):
    b, t, c = x.shape
    weight, bias = W[name + ".qkv.weight"], W[name + ".qkv.bias"]
    q = F.linear(x, weight[:c], bias[:c]).view(b, t, heads, -1).transpose(1, 2)
    k, v = F.linear(memory, weight[c:], bias[c:]).view(b, -1, 2, heads, c // heads).permute(2, 0, 3, 1, 4)
    a = ((q @ k.transpose(-2, -1)) * (c // heads) ** -0.5).masked_fill(hidden, float("-inf"))
    return linear((a.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c), name + ".output")


def mlp(x, name, **kind):
    return linear(F.gelu(linear(x, name + ".up"), **kind), name + ".down")


def gpt_over(h, name="", first=0):
    """What follows the embedding: h [B, T, D] -> logits from place `first` on."""
    for i in range(count(name + "blocks")):
        p = f"{name}blocks.{i}."
        h = h + heads_attention(layer_norm(h, p + "norm1"), p + "attention", int(said["heads"]), causal(h.shape[1]))
        h = h + mlp(layer_norm(h, p + "norm2"), p + "mlp", approximate="tanh")
    return layer_norm(h[:, first:], name + "norm") @ W[name + "embedding.weight"].t()


def gpt(batch):
    x = batch["x"]
    return cross_entropy(gpt_over(embed(x, "embedding") + W["positions.weight"][: x.shape[1]]), batch["y"])


def text_encoder(ids, name, heads):
    """ids [B, S], 0 is padding -> vectors [B, S, D], and which of them nobody may look at [B, 1, 1, S]."""
    hidden = (ids == 0)[:, None, None]
    h = embed(ids, name + "embedding") + W[name + "positions.weight"][: ids.shape[1]]
    for i in range(count(name + "blocks")):
        p = f"{name}blocks.{i}."
        h = h + heads_attention(layer_norm(h, p + "norm1"), p + "attention", heads, hidden)
        h = h + mlp(layer_norm(h, p + "norm2"), p + "mlp")
    return layer_norm(h, name + "norm"), hidden


def decoder(y, unseen, memory, hidden):
    """Blocks that look at themselves, but for what is unseen, and at a memory; logits."""
    for i in range(count("blocks")):
        p, heads = f"blocks.{i}.", int(said["heads"])
        y = y + heads_attention(layer_norm(y, p + "norm1"), p + "attention", heads, unseen)
        y = y + cross_attention(layer_norm(y, p + "norm2"), memory, p + "cross", heads, hidden)
        y = y + mlp(layer_norm(y, p + "norm3"), p + "mlp")
    return linear(layer_norm(y, "norm"), "head")


# ---- Letters to phonemes: source [B, S], 0 behind its end; target [B, T], -1 behind its end


def teacher(target):
    """What is read and what should be said: 0 a b and a b 0."""
    read = F.pad(target.clamp(min=0), (1, 0))
    ends = (target >= 0).sum(1, keepdim=True)
    return read, F.pad(target, (0, 1), value=-1).scatter(1, ends, 0)


def transformer(batch):
    memory, hidden = text_encoder(batch["source"], "encoder.", int(said["heads"]))
    read, wanted = teacher(batch["target"])
    y = embed(read, "embedding") + W["positions.weight"][: read.shape[1]]
    return cross_entropy(decoder(y, causal(y.shape[1]), memory, hidden), wanted, said["smoothing"])


def gru(x, name, h=None):
    """x [B, T, in], from state h [B, hidden] -> [B, T, hidden]"""
    weights = [W[f"{name}.{part}"] for part in ("input.weight", "recurrent.weight", "input.bias", "recurrent.bias")]
    h = x.new_zeros(x.shape[0], weights[1].shape[1]) if h is None else h
    return torch.gru(x, h[None], weights, True, 1, 0.0, True, False, True)[0]


def recurrent(batch):
    source = batch["source"]
    read, wanted = teacher(batch["target"])
    lengths = (source != 0).sum(1, keepdim=True)
    places = torch.arange(source.shape[1])[None]
    turned = torch.where(places < lengths, lengths - 1 - places, places)[:, :, None]  # its own inverse
    x = embed(source, "source")
    onward = gru(x, "forward")
    back = gru(x.gather(1, turned.expand_as(x)), "backward")
    last = (lengths - 1)[:, :, None].expand(-1, 1, onward.shape[2])
    first = torch.tanh(linear(torch.cat([onward.gather(1, last), back.gather(1, last)], -1)[:, 0], "bridge"))
    memory = torch.cat([onward, back.gather(1, turned.expand_as(back))], -1)
    states = gru(embed(read, "embedding"), "writer", first)
    found = cross_attention(states, memory, "attention", 1, (source == 0)[:, None, None])
    return cross_entropy(linear(torch.tanh(linear(states, "state") + found), "head"), wanted, said["smoothing"])


def one_shot(batch, places):
    """Each item's memory and logits at so many places [B] of its own; from(p) are the units that they begin as."""
    memory, hidden = text_encoder(batch["source"], "encoder.", int(said["heads"]))
    units = (batch["source"] != 0).sum(1, keepdim=True)
    p = torch.arange(int(places.max()))[None]
    begin = p if said["network"] == "one_shot_fixed" else p * units // places[:, None]
    begin = torch.minimum(begin, units - 1)[:, :, None].expand(-1, -1, memory.shape[2])
    y = memory.gather(1, begin) + W["positions.weight"][: p.shape[1]]
    return memory, units, decoder(y, (p >= places[:, None])[:, None, None], memory, hidden)


def one_shot_length(batch):
    target = batch["target"]
    counts = (target >= 0).sum(1)
    memory, units, logits = one_shot(batch, counts)
    mean = (memory * (batch["source"] != 0)[:, :, None]).sum(1) / units
    length = cross_entropy(linear(mean, "length"), counts, said["smoothing"])
    return cross_entropy(logits, target, said["smoothing"]) + length * len(counts) / counts.sum()


def one_shot_fixed(batch):
    places = W["positions.weight"].shape[0]
    _, wanted = teacher(batch["target"])
    _, _, logits = one_shot(batch, torch.full((len(wanted),), places))
    return cross_entropy(logits[:, : wanted.shape[1]], wanted, said["smoothing"])


def one_shot_ctc(batch):
    target = batch["target"]
    places, counts = 2 * (batch["source"] != 0).sum(1), (target >= 0).sum(1)
    _, _, logits = one_shot(batch, places)
    log_p = logits.log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(log_p, target.clamp(min=0), places, counts, reduction="sum") / counts.sum()


# ---- Sound


def points(batch, name, reader):
    parts = ("initial", "medial", "final", "tone", "speaker")
    vectors = [embed(batch[f"{name}.{k}"], f"{reader}.{part}") for k, part in enumerate(parts)]
    return torch.cat([*vectors, batch[name + ".place"]], -1)


def voice(batch):
    rows = torch.cat([points(batch, "rows", "reader"), batch["moving"]], -1)
    told = linear(F.silu(linear(rows, "first")), "second")  # [B, N, features]
    h = embed(batch["before"], "wavenet.embedding").transpose(1, 2)  # [B, residual, T]
    skip, layers, skips, residual = 0, count("wavenet.layers"), W["wavenet.post.weight"].shape[1], h.shape[1]
    for i in range(layers):
        p, d = f"wavenet.layers.{i}.", 2 ** (i % int(said["depth"]))
        shift = linear(told, p + "condition").transpose(1, 2).repeat_interleave(h.shape[2] // told.shape[1], 2)
        a, b = (F.conv1d(F.pad(h, (d, 0)), W[p + "gates.weight"], dilation=d) + shift).chunk(2, 1)
        out = F.conv1d(torch.tanh(a) * torch.sigmoid(b), W[p + "mix.weight"][:, :, None], W[p + "mix.bias"])
        skip = skip + out[:, -skips:]
        if i + 1 < layers:
            h = h + out[:, :residual]
    post = F.relu(F.conv1d(F.relu(skip), W["wavenet.post.weight"][:, :, None], W["wavenet.post.bias"]))
    logits = F.conv1d(post, W["wavenet.last.weight"][:, :, None], W["wavenet.last.bias"])
    contour = linear(F.silu(linear(points(batch, "points", "contour.reader"), "contour.first")), "contour.second")
    off = (linear(F.silu(contour), "contour.last") - batch["values"]) ** 2 * batch["weights"]
    return F.cross_entropy(logits, batch["units"], ignore_index=-1) + 0.01 * off.mean()


# ---- Pictures: pixels [B, N] in raster order


def delayed(pixels, back, none):
    return F.pad(pixels, (back, 0), value=none)[:, : pixels.shape[1]]


def pixel_rnn(batch):
    pixels, side = batch["pixels"], W["rows"].shape[0]
    none = W["before.weight"].shape[0] - 1
    places = (W["rows"][:, None] + W["columns"][None]).flatten(0, 1)[: pixels.shape[1]]
    h = embed(delayed(pixels, 1, none), "before") + embed(delayed(pixels, side, none), "above") + places
    for i in range(count("layers")):
        p = f"layers.{i}."
        w, u, bias = W[p + "input.weight"], W[p + "recurrent.weight"], W[p + "input.bias"]
        zero = h.new_zeros(1, h.shape[0], u.shape[1])
        h = torch.lstm(h, [zero, zero], [w, u, bias, torch.zeros_like(bias)], True, 1, 0.0, True, False, True)[0]
    return cross_entropy(linear(h, "head"), pixels)


def group_norm(x, name):  # 8 channels a group where that divides, as many groups as 32 at most
    channels, groups = x.shape[1], 32
    while groups > 1 and (channels % groups or channels // groups < 8):
        groups //= 2
    return F.group_norm(x, groups, W[name + ".weight"], W[name + ".bias"])


def draft_map(pooled):
    """[B, side^2, channels]"""
    e = F.silu(linear(pooled, "draft.caption"))
    channels = W["draft.blocks.0.conv1.weight"].shape[1]
    x = linear(e, "draft.start").view(len(e), -1, channels).transpose(1, 2)
    x = x.unflatten(2, (round(x.shape[2] ** 0.5), -1))
    for i in range(count("draft.blocks")):
        p = f"draft.blocks.{i}."
        if i > 0:
            narrow = f"draft.narrow.{i - 1}."
            x = F.interpolate(F.conv2d(x, W[narrow + "weight"][:, :, None, None], W[narrow + "bias"]), scale_factor=2.0)
        h = group_norm(conv(F.silu(group_norm(x, p + "norm1")), p + "conv1"), p + "norm2")
        scale, shift = linear(e, p + "modulation")[:, :, None, None].chunk(2, 1)
        x = x + conv(F.silu(h * (1 + scale) + shift), p + "conv2")
    x = F.silu(group_norm(x, "draft.norm")).flatten(2).transpose(1, 2)
    if "draft.map.weight" not in W:
        return x
    return torch.cat([x, F.silu(linear(e, "draft.map")).view(len(e), x.shape[1], -1)], 2)


def caption(batch):
    tokens, hidden = text_encoder(batch["tokens"], "text.", int(said["text_heads"]))
    seen = (~hidden[:, 0, 0]).float()
    return tokens, (tokens * (seen / seen.sum(1, keepdim=True))[:, :, None]).sum(1)


def around(side, reach):
    """How far before the last pixel the others are that are read with it."""
    rows = [up * side + left - 1 for up in range(1, reach + 1) for left in range(-reach, reach + 1)]
    return list(range(1, reach)) + rows


def read_pixels(pooled, pixels, embedding):
    """Vectors [B, N, D] with their places, and the draft's logits or 0"""
    side, read = W["rows"].shape[0], pixels[:, :-1]
    seen = embed(read, embedding)
    for i, back in enumerate(around(side, int(said["reach"]))):
        none = W[f"earlier.{i}.weight"].shape[0] - 1
        seen = seen + embed(delayed(read, back, none), f"earlier.{i}")
    x = torch.cat([linear(pooled, "summary")[:, None], seen], 1)
    x = x + (W["rows"][:, None] + W["columns"][None]).flatten(0, 1)
    if not count("draft.blocks"):
        return x, 0
    drafted = draft_map(pooled)
    return x + linear(drafted, "draft.places"), linear(drafted, "draft.head")


def image_sketch(batch):
    x, hint = read_pixels(caption(batch)[1], batch["pixels"], "embedding")
    return cross_entropy(layer_norm(x, "norm") @ W["embedding.weight"].t() + hint, batch["pixels"])


def image_gpt(batch):
    tokens, pooled = caption(batch)
    x, hint = read_pixels(pooled, batch["pixels"], "gpt.embedding")
    h = torch.cat([linear(tokens, "words") + W["word_places.weight"], x], 1)
    return cross_entropy(gpt_over(h, "gpt.", tokens.shape[1]) + hint, batch["pixels"])


# ---- PixelCNN: levels [B, H, W] as `pixels`


def pixel_cnn(batch):
    said_of, x = torch_nets.pixel_cnn(batch["pixels"], batch["condition"])
    return torch_nets.logistic_mixture(said_of, x) if said["components"] > 0 else F.cross_entropy(said_of, batch["pixels"])


def emoji_pixel_cnn(batch):
    condition = F.silu(linear(caption(batch)[1], "caption"))
    colours = said["colours"] - 1
    return F.cross_entropy(torch_nets.pixel_cnn(batch["pixels"], condition, "pixels.", colours)[0], batch["pixels"])


# ---- One pass from noise: pictures x [B, H, W, C]


def bound(logits, x, mean, log_variance):
    kl = -0.5 * (1 + log_variance - mean * mean - log_variance.exp()).sum()
    return (F.binary_cross_entropy_with_logits(logits, x, reduction="sum") + kl) / x.shape[0]


def vae(batch):
    """The bound, with the normal numbers e [B, latent]. Dense layers see [H, W, C]."""
    convs, x = "encoder.convs.0.weight" in W, batch["x"]
    if convs:
        h = x.permute(0, 3, 1, 2)
        for i in range(count("encoder.convs")):
            h = F.relu(conv(h, f"encoder.convs.{i}", 2, 1))
        h = linear(F.relu(linear(h.permute(0, 2, 3, 1).flatten(1), "encoder.dense")), "encoder.last")
    else:
        h = linear(F.relu(linear(x.flatten(1), "encoder.layers.0")), "encoder.last")
    mean, log_variance = h.chunk(2, 1)
    z = mean + (0.5 * log_variance).exp() * batch["e"]
    if convs:
        h = F.relu(linear(F.relu(linear(z, "decoder.first")), "decoder.dense"))
        channels = W["decoder.convs.0.weight"].shape[0]
        side = round((h.shape[1] / channels) ** 0.5)
        h = h.view(-1, side, side, channels).permute(0, 3, 1, 2)
        h = conv_transpose(F.relu(conv_transpose(h, "decoder.convs.0")), "decoder.convs.1").permute(0, 2, 3, 1)
    else:
        h = linear(F.relu(linear(z, "decoder.layers.0")), "decoder.last").view(x.shape)
    return bound(h, x, mean, log_variance)


def patches(h):  # channels in the order (row, column, channel)
    b, c, height, width = h.shape
    h = h.view(b, c, height // 2, 2, width // 2, 2)
    return h.permute(0, 3, 5, 1, 2, 4).reshape(b, 4 * c, height // 2, width // 2)


def bent(x, numbers):
    """x exp(s) + shift, and the log-determinant of each item."""
    raw, shift = numbers.chunk(2, 1)
    s = said["bound"] * torch.tanh(raw / said["bound"])
    return x * s.exp() + shift, s.flatten(1).sum(1)


def flow_step(h, name, swap):
    log_det = 0
    if name + "mix.lower" in W:
        c, s, t = h.shape[1], W[name + "norm.log_scale"], W[name + "mix.log_scale"]
        one = torch.eye(c, dtype=h.dtype)
        lower = torch.tril(W[name + "mix.lower"], -1) + one
        upper = torch.triu(W[name + "mix.upper"], 1) + torch.diag(W[name + "mix.sign"] * t.exp())
        h = (h + W[name + "norm.shift"].view(1, c, 1, 1)) * s.exp().view(1, c, 1, 1)
        h = F.conv2d(h, (W[name + "mix.permutation"] @ lower @ upper).view(c, c, 1, 1))
        log_det = (s.sum() + t.sum()) * h.shape[2] * h.shape[3]
    a, b = h.chunk(2, 1)[:: -1 if swap else 1]
    net = name + "coupling.net."
    b, more = bent(b, conv(F.relu(conv(F.relu(conv(a, net + "first")), net + "middle")), net + "last"))
    return torch.cat([b, a] if swap else [a, b], 1), log_det + more


def flow(batch):
    h, log_det, squares = batch["x"].permute(0, 3, 1, 2), 0, 0
    levels = count("bijection.levels")
    for i in range(levels):
        level, h = f"bijection.levels.{i}.", patches(h)
        for k in range(count(level + "steps")):
            h, more = flow_step(h, f"{level}steps.{k}.", k % 2 == 1)
            log_det = log_det + more
        if i + 1 < levels:
            h, done = h.chunk(2, 1)
            if level + "prior.weight" in W:
                done, more = bent(done, conv(h, level + "prior"))
                log_det = log_det + more
            squares = squares + done.flatten(1).pow(2).sum(1)
    squares = squares + h.flatten(1).pow(2).sum(1)
    return (0.5 * squares + 0.5 * math.log(2 * math.pi) * batch["x"][0].numel() - log_det).mean()
