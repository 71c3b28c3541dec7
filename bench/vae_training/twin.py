"""The other side of compare.sh: the same VAE, batch, noise and optimizer in PyTorch, from the same weights.

  python3 twin.py run FILE SECONDS THREADS      five steps' losses, then pictures a second
  python3 twin.py learn EPOCHS THREADS          784-400-20 on Fashion-MNIST from PyTorch's own start: the bound on the test
                                                pictures, to hold beside `train_vae --epochs EPOCHS`"""
import gzip, os, sys

MODE = sys.argv[1]
THREADS = int(sys.argv[4] if MODE == "run" else sys.argv[3])
bench = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [bench, os.path.join(bench, "curves")]
import torch_side

torch_side.start(THREADS)
import numpy as np
import torch
import torch.nn as nn
import networks, torch_nets
from torch_nets import W


def run(path, seconds):
    file, _ = torch_side.read(path)
    torch_nets.load(file)
    for value in W.values():
        value.requires_grad_(True)
    optimizer = torch.optim.Adam(list(W.values()), lr=1e-3)
    x = file["x"]

    def step(e):
        optimizer.zero_grad(set_to_none=True)
        loss = networks.vae({"x": x, "e": e})
        loss.backward()
        optimizer.step()
        return loss.item()

    print("losses", *(f"{step(e):.4f}" for e in file["e"]))
    rate = torch_side.rate(lambda: step(torch.randn_like(file["e"][0])), seconds)
    print(f"rate {rate * x.shape[0]:.3f}")


def pictures(part):
    path = f"/usr/share/datasets/fashion-mnist/{part}-images-idx3-ubyte.gz"
    data = np.frombuffer(gzip.open(path).read(), np.uint8, offset=16)
    return torch.from_numpy(data.reshape(-1, 784).astype(np.float32) / 255)


def learn(epochs):
    torch.manual_seed(1)
    encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)

    def loss(x):
        mean, log_variance = encoder(x).chunk(2, 1)
        return networks.bound(decoder(mean + torch.randn_like(mean) * (0.5 * log_variance).exp()), x, mean, log_variance)

    train, test = pictures("train"), pictures("t10k")
    for epoch in range(epochs):
        for items in torch.randperm(len(train)).split(128):
            optimizer.zero_grad(set_to_none=True)
            loss(train[items]).backward()
            optimizer.step()
        with torch.no_grad():
            print(f"epoch {epoch + 1}: test bound {loss(test).item():.2f} nats", flush=True)


if MODE == "run":
    run(sys.argv[2], float(sys.argv[3]))
else:
    learn(int(sys.argv[2]))
