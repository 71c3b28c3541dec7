"""The other side of compare.sh: the same multi-scale flow, batch and optimizer in PyTorch, from the same weights.

  python3 twin.py run FILE SECONDS THREADS"""
import os, sys

FILE, SECONDS, THREADS = sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
bench = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [bench, os.path.join(bench, "curves")]
import torch_side

torch_side.start(THREADS)
import torch
import networks, torch_nets
from torch_nets import W

file, _ = torch_side.read(FILE)
torch_nets.load(file)
networks.said["bound"] = 1.0
fixed = {"permutation", "sign"}
for name in W:
    W[name].requires_grad_(name.split(".")[-1] not in fixed)
optimizer = torch.optim.Adam([v for v in W.values() if v.requires_grad], lr=1e-4)


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = networks.flow(file)
    loss.backward()
    optimizer.step()
    return loss.item()


print("losses", *(f"{step():.4f}" for _ in range(5)))
print(f"rate {torch_side.rate(step, SECONDS) * file['x'].shape[0]:.3f}")
