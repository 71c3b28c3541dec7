"""The other side of compare.sh: the same VAE, batch, noise and optimizer in PyTorch, from the same weights.

  python3 twin.py run FILE SECONDS THREADS      five steps' losses, then pictures a second
  python3 twin.py learn EPOCHS THREADS          784-400-20 on Fashion-MNIST from PyTorch's own start: the bound on the test
                                                pictures, to hold beside `train_vae --epochs EPOCHS`"""
import gzip, os, sys

MODE = sys.argv[1]
THREADS = int(sys.argv[4] if MODE == "run" else sys.argv[3])
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

torch_side.start(THREADS)
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def bound(logits, x, mean, log_variance):
    kl = -0.5 * (1 + log_variance - mean * mean - log_variance.exp()).sum()
    return (F.binary_cross_entropy_with_logits(logits, x, reduction="sum") + kl) / x.shape[0]


def run(path, seconds):
    file, metadata = torch_side.read(path)
    conv = metadata["kind"] == "conv"
    W = {}
    for name, value in file.items():
        if name.startswith("net."):
            name = name[4:]
            if value.dim() == 4:
                # convolutions [K, K, in, out] -> [out, in, K, K]; transposed ones [K, K, out, in] -> [in, out, K, K]
                value = value.permute(3, 2, 0, 1)
            if conv and name == "encoder.dense.weight":  # flattened H W C -> C H W
                value = value.view(-1, 7, 7, 64).permute(0, 3, 1, 2).reshape(-1, 3136)
            if conv and name == "decoder.dense.weight":
                value = value.view(7, 7, 64, -1).permute(2, 0, 1, 3).reshape(3136, -1)
            if conv and name == "decoder.dense.bias":
                value = value.view(7, 7, 64).permute(2, 0, 1).reshape(3136)
            W[name] = value.contiguous().requires_grad_(True)

    def linear(x, name):
        return F.linear(x, W[name + ".weight"], W[name + ".bias"])

    def encode(x):
        if not conv:
            return linear(F.relu(linear(x.flatten(1), "encoder.layers.0")), "encoder.last")
        for i in range(2):
            x = F.relu(F.conv2d(x, W[f"encoder.convs.{i}.weight"], W[f"encoder.convs.{i}.bias"], 2, 1))
        return linear(F.relu(linear(x.flatten(1), "encoder.dense")), "encoder.last")

    def decode(z):
        if not conv:
            return linear(F.relu(linear(z, "decoder.layers.0")), "decoder.last").view(-1, 1, 28, 28)
        h = F.relu(linear(F.relu(linear(z, "decoder.first")), "decoder.dense")).view(-1, 64, 7, 7)
        h = F.relu(F.conv_transpose2d(h, W["decoder.convs.0.weight"], W["decoder.convs.0.bias"], 2, 1))
        return F.conv_transpose2d(h, W["decoder.convs.1.weight"], W["decoder.convs.1.bias"], 2, 1)

    optimizer = torch.optim.Adam(list(W.values()), lr=1e-3)
    x = file["x"].permute(0, 3, 1, 2).contiguous()

    def step(e):
        optimizer.zero_grad(set_to_none=True)
        mean, log_variance = encode(x).chunk(2, 1)
        loss = bound(decode(mean + (0.5 * log_variance).exp() * e), x, mean, log_variance)
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
        return bound(decoder(mean + torch.randn_like(mean) * (0.5 * log_variance).exp()), x, mean, log_variance)

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
