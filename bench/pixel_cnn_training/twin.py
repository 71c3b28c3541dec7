"""The other side of compare.sh: the same PixelCNN, batch and optimizer in PyTorch, from the same weights.

  python3 twin.py run FILE SECONDS THREADS      five steps' losses, then pictures a second"""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

torch_side.start(int(sys.argv[4]))
import torch
import torch.nn.functional as F
import torch_nets
from torch_nets import W


def run(path, seconds):
    file, metadata = torch_side.read(path)
    torch_nets.load(file)
    for weight in W.values():
        weight.requires_grad_(True)
    levels = file["levels"][..., 0].long()
    labels = torch.eye(10)[torch.arange(len(levels)) % 10]

    def loss():
        said, x = torch_nets.pixel_cnn(levels, labels)
        return torch_nets.logistic_mixture(said, x) if metadata["kind"] == "mixture" else F.cross_entropy(said, levels)

    optimizer = torch.optim.Adam(list(W.values()), lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        optimizer.step()
        return value.item()

    print("losses", *(f"{step():.5f}" for _ in range(5)))
    print(f"rate {torch_side.rate(step, seconds) * len(levels):.3f}")


run(sys.argv[2], float(sys.argv[3]))
