"""The other side of compare.sh: the same PixelCNN, batch and optimizer in PyTorch, from the same weights. The mixture is written
as PixelCNN++ has it, with its three cases, where Tessera has one formula.

  python3 twin.py run FILE SECONDS THREADS      five steps' losses, then pictures a second"""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

torch_side.start(int(sys.argv[4]))
import torch
import torch.nn.functional as F


def mixture_loss(numbers, x):
    """numbers [B, 3 K, H, W], x [B, 1, H, W] in [-1, 1]: nats a pixel."""
    weights, means, scales = numbers.chunk(3, 1)
    scales = scales.clamp(min=-7)
    inverse, half = torch.exp(-scales), 1 / 255
    centred = x - means
    plus, minus = inverse * (centred + half), inverse * (centred - half)
    share = torch.sigmoid(plus) - torch.sigmoid(minus)
    middle = inverse * centred
    thin = middle - scales - 2 * F.softplus(middle) - torch.log(torch.tensor(127.5))
    inner = torch.where(share > 1e-5, torch.log(share.clamp(min=1e-12)), thin)
    log_p = torch.where(x < -0.999, plus - F.softplus(plus), torch.where(x > 0.999, -F.softplus(minus), inner))
    return -torch.logsumexp(log_p + F.log_softmax(weights, 1), 1).mean()


def run(path, seconds):
    file, metadata = torch_side.read(path)
    W = {}
    for name, value in file.items():
        if name.startswith("net."):
            if value.dim() == 4:  # [KH, KW, in, out] -> [out, in, KH, KW]
                value = value.permute(3, 2, 0, 1)
            elif value.dim() == 2 and name != "net.map.weight":  # pointwise layers are convolutions here
                value = value[:, :, None, None]
            W[name[4:]] = value.contiguous().requires_grad_(True)
    layers = 1 + max(int(name.split(".")[1]) for name in W if name.startswith("layers."))
    levels = file["levels"].permute(0, 3, 1, 2).long()
    x = 2 * levels.float() / 255 - 1
    labels = torch.eye(10)[torch.arange(x.shape[0]) % 10]

    def conv(h, name, up, left, right):
        return F.conv2d(F.pad(h, (left, right, up, 0)), W[name + ".weight"], W[name + ".bias"])

    def point(h, name):
        return F.conv2d(h, W[name + ".weight"], W.get(name + ".bias"))

    def gate(h):
        a, b = h.chunk(2, 1)
        return torch.tanh(a) * torch.sigmoid(b)

    def loss():
        told = F.silu(F.linear(labels, W["map.weight"], W["map.bias"]))
        told = told.unflatten(1, (*x.shape[2:], -1)).permute(0, 3, 1, 2)
        v, h = F.pad(x, (0, 0, 1, 0))[:, :, :-1], F.pad(x, (1, 0))[:, :, :, :-1]
        for i in range(layers):
            name = f"layers.{i}."
            reach = W[name + "horizontal.weight"].shape[3] - 1
            seen = conv(v, name + "vertical", reach, reach, reach)
            here = conv(h, name + "horizontal", 0, reach, 0) + point(seen, name + "link")
            here = here + point(told, name + "horizontal_condition")
            more = point(gate(here), name + "out")
            h = more if i == 0 else h + more
            if i + 1 < layers:
                v = gate(seen + point(told, name + "vertical_condition"))
        said = point(F.relu(point(F.relu(h), "heads.0.first")), "heads.0.last")
        return mixture_loss(said, x) if metadata["kind"] == "mixture" else F.cross_entropy(said, levels[:, 0])

    optimizer = torch.optim.Adam(list(W.values()), lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        optimizer.step()
        return value.item()

    print("losses", *(f"{step():.5f}" for _ in range(5)))
    print(f"rate {torch_side.rate(step, seconds) * x.shape[0]:.3f}")


run(sys.argv[2], float(sys.argv[3]))
