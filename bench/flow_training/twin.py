"""The other side of compare.sh: the same multi-scale flow, batch and optimizer in PyTorch, from the same weights.

  python3 twin.py run FILE SECONDS THREADS"""
import math, os, sys

FILE, SECONDS, THREADS = sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

torch_side.start(THREADS)
import torch
import torch.nn.functional as F

BOUND = 1.0
W, _ = torch_side.read(FILE)
x = W.pop("x").permute(0, 3, 1, 2).contiguous()
fixed = {"permutation", "sign"}
for name in W:
    value = W[name].permute(3, 2, 0, 1) if W[name].dim() == 4 else W[name]  # [KH, KW, in, out] -> [out, in, KH, KW]
    W[name] = value.contiguous().requires_grad_(name.split(".")[-1] not in fixed)


def conv(h, name):
    w = W[name + ".weight"]
    return F.conv2d(h, w, W[name + ".bias"], 1, (w.shape[2] - 1) // 2)


def squeeze(h):  # channels in the order (row, column, channel), as Tessera's
    b, c, height, width = h.shape
    h = h.view(b, c, height // 2, 2, width // 2, 2)
    return h.permute(0, 3, 5, 1, 2, 4).reshape(b, 4 * c, height // 2, width // 2)


def step_of_flow(h, name, swap):
    log_det = 0
    if name + ".mix.lower" in W:
        c = h.shape[1]
        s = W[name + ".norm.log_scale"]
        h = (h + W[name + ".norm.shift"].view(1, c, 1, 1)) * s.exp().view(1, c, 1, 1)
        t = W[name + ".mix.log_scale"]
        lower = torch.tril(W[name + ".mix.lower"], -1) + torch.eye(c)
        upper = torch.triu(W[name + ".mix.upper"], 1) + torch.diag(W[name + ".mix.sign"] * t.exp())
        h = F.conv2d(h, (W[name + ".mix.permutation"] @ lower @ upper).view(c, c, 1, 1))
        log_det = (s.sum() + t.sum()) * h.shape[2] * h.shape[3]
    a, b = h.chunk(2, 1)
    if swap:
        a, b = b, a
    net = name + ".coupling.net."
    raw, shift = conv(F.relu(conv(F.relu(conv(a, net + "first")), net + "middle")), net + "last").chunk(2, 1)
    s = BOUND * torch.tanh(raw / BOUND)
    b = b * s.exp() + shift
    return torch.cat([b, a] if swap else [a, b], 1), log_det + s.flatten(1).sum(1)


def loss_of():
    h, log_det, log_p, level = x, 0, 0, 0
    while f"net.bijection.levels.{level}.steps.0.coupling.net.first.weight" in W:
        h = squeeze(h)
        k = 0
        while f"net.bijection.levels.{level}.steps.{k}.coupling.net.first.weight" in W:
            h, d = step_of_flow(h, f"net.bijection.levels.{level}.steps.{k}", k % 2 == 1)
            log_det = log_det + d
            k += 1
        level += 1
        if f"net.bijection.levels.{level}.steps.0.coupling.net.first.weight" in W:
            h, done = h.chunk(2, 1)
            log_p = log_p - 0.5 * done.flatten(1).pow(2).sum(1)
    log_p = log_p - 0.5 * h.flatten(1).pow(2).sum(1) - 0.5 * math.log(2 * math.pi) * x[0].numel()
    return -(log_p + log_det).mean()


optimizer = torch.optim.Adam([v for v in W.values() if v.requires_grad], lr=1e-4)


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of()
    loss.backward()
    optimizer.step()
    return loss.item()


print("losses", *(f"{step():.4f}" for _ in range(5)))
print(f"rate {torch_side.rate(step, SECONDS) * x.shape[0]:.3f}")
