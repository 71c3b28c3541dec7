"""The other side of compare.py: the networks of bench/steps in PyTorch, from the same weights and data.

  python3 twins.py NAME FILE LOSSES SECONDS THREADS [SEED]

With a SEED every other weight, chosen by it, starts one unit in the last place higher: how far the losses then leave those of
the plain run is PyTorch's own drift, below which two implementations cannot be told apart. In the DCGAN's game it is 2e-3
after 20 steps, and its run in double is 3e-3 from its run in single.
"""
import os, resource, sys

NAME, FILE, LOSSES, SECONDS, THREADS = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

torch_side.start(THREADS)
import torch
import torch.nn.functional as F
import torch_nets
from torch_nets import W, conv, heads_attention, layer_norm, linear

file, _ = torch_side.read(FILE)
torch_nets.load(file)
if len(sys.argv) > 6:
    chance = torch.Generator().manual_seed(int(sys.argv[6]))
    for value in W.values():
        above = torch.nextafter(value, torch.full_like(value, float("inf")))
        value.copy_(torch.where(torch.rand(value.shape, generator=chance) < 0.5, above, value))
for value in W.values():
    value.requires_grad_(True)


def picture(name):  # [B, H, W, C] -> [B, C, H, W]
    return file[name].permute(0, 3, 1, 2).contiguous()


def conv_transpose(x, name, stride=2, padding=1):
    return F.conv_transpose2d(x, W[name + ".weight"], W.get(name + ".bias"), stride, padding)


def batch_norm(x, name):
    return F.batch_norm(x, None, None, W[name + ".weight"], W[name + ".bias"], training=True)


def adamw():  # gains and biases do not decay
    decaying, others = [w for w in W.values() if w.dim() > 1], [w for w in W.values() if w.dim() <= 1]
    return torch.optim.AdamW([{"params": decaying, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}], lr=1e-4)


def trained(loss_of, optimizer=None):
    optimizer = optimizer or adamw()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def mlp():
    x, y = file["x"], file["y"]

    def loss():
        h = linear(x, "layers.0")
        for i in range(1, 4):
            h = linear(F.silu(h), f"layers.{i}")
        return F.mse_loss(h, y)

    return trained(loss, torch.optim.Adam(list(W.values()), lr=1e-4)), 1


def gpt():
    x, y = file["x"].long(), file["y"].long()
    b, t = x.shape
    mask = torch.ones(t, t, dtype=torch.bool).triu(1)

    def loss():
        h = W["token.weight"][x] + W["position"]
        for i in range(6):
            p = f"blocks.{i}."
            h = h + heads_attention(layer_norm(h, p + "norm1"), p + "attention", 6, mask)
            h = h + linear(F.gelu(linear(layer_norm(h, p + "norm2"), p + "mlp.up")), p + "mlp.down")
        return F.cross_entropy((layer_norm(h, "norm") @ W["token.weight"].t()).view(b * t, -1), y.view(-1))

    return trained(loss), b * t


def unet():
    x, y = picture("x"), picture("y")
    forward = torch_nets.unet(x, file["t"])
    return trained(lambda: F.mse_loss(forward(), y)), x.shape[0]


def dit():
    x, y = picture("x"), picture("y")
    forward = torch_nets.dit(x, file["t"], file["labels"].long())
    return trained(lambda: F.mse_loss(forward(), y)), x.shape[0]


def dcgan():
    real, z = picture("real"), picture("z")
    b = real.shape[0]
    one, zero = torch.ones(b), torch.zeros(b)
    adam = lambda side: torch.optim.Adam([w for n, w in W.items() if n.startswith(side) and "running" not in n], lr=2e-4, betas=(0.5, 0.999))
    generator, critic = adam("generator"), adam("critic")

    def make():
        h = z
        for i in range(3):
            h = conv_transpose(h, f"generator.convs.{i}", *((1, 0) if i == 0 else (2, 1)))
            h = F.relu(batch_norm(h, f"generator.norms.{i}"), True)
        return torch.tanh(conv_transpose(h, "generator.convs.3"))

    def judge(x):
        h = F.leaky_relu(conv(x, "critic.convs.0", 2, 1), 0.2, True)
        for i in (1, 2):
            h = F.leaky_relu(batch_norm(conv(h, f"critic.convs.{i}", 2, 1), f"critic.norms.{i - 1}"), 0.2, True)
        return conv(h, "critic.convs.3", 1, 0).view(-1)

    bce = F.binary_cross_entropy_with_logits

    def step():
        critic.zero_grad(set_to_none=True)
        fake = make()
        first = bce(judge(real), one) + bce(judge(fake.detach()), zero)
        first.backward()
        critic.step()
        generator.zero_grad(set_to_none=True)
        second = bce(judge(fake), one)
        second.backward()
        generator.step()
        return first.item() + second.item()

    return step, b


def vae():
    x, noise = picture("x"), file["noise"]
    b = x.shape[0]
    # Ours flattens [H, W, C], PyTorch [C, H, W]: the same products with columns and rows in another order.
    W["in1.weight"] = W["in1.weight"].detach().view(256, 7, 7, 64).permute(0, 3, 1, 2).reshape(256, -1).contiguous().requires_grad_(True)
    W["out2.weight"] = W["out2.weight"].detach().view(7, 7, 64, 256).permute(2, 0, 1, 3).reshape(-1, 256).contiguous().requires_grad_(True)
    W["out2.bias"] = W["out2.bias"].detach().view(7, 7, 64).permute(2, 0, 1).reshape(-1).contiguous().requires_grad_(True)

    def loss():
        h = F.relu(conv(F.relu(conv(x, "down1", 2, 1)), "down2", 2, 1))
        mean, log_variance = linear(F.relu(linear(h.flatten(1), "in1")), "in2").chunk(2, 1)
        z = mean + noise * (0.5 * log_variance).exp()
        h = F.relu(linear(F.relu(linear(z, "out1")), "out2")).view(b, 64, 7, 7)
        out = conv_transpose(F.relu(conv_transpose(h, "up1")), "up2")
        likelihood = F.binary_cross_entropy_with_logits(out, x, reduction="sum") / b
        return likelihood - 0.5 * (1 + log_variance - mean * mean - log_variance.exp()).sum() / b

    return trained(loss), b


def vqvae():
    x = picture("x")
    residual = lambda h, i: h + conv(F.relu(conv(F.relu(h), f"residuals.{i}.conv1")), f"residuals.{i}.conv2")

    def loss():
        h = conv(F.relu(conv(x, "down1", 2, 1)), "down2", 2, 1)
        z = conv(F.relu(residual(residual(h, 0), 1)), "into_code")
        f = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        book = W["book.weight"]
        with torch.no_grad():
            index = (f.pow(2).sum(1, keepdim=True) - 2 * f @ book.t() + book.pow(2).sum(1)).argmin(1)
        q = F.embedding(index, book)
        commitment = F.mse_loss(q, f.detach()) + 0.25 * F.mse_loss(f, q.detach())
        q = (f + (q - f).detach()).view(z.shape[0], 8, 8, -1).permute(0, 3, 1, 2)
        h = F.relu(residual(residual(conv(q, "from_code"), 2), 3))
        return F.mse_loss(conv_transpose(F.relu(conv_transpose(h, "up1")), "up2"), x) + commitment

    return trained(loss), x.shape[0]


def realnvp():
    x = picture("x")
    b = x.shape[0]

    def squeeze(z):  # channels in the order (row, column, channel), as ours
        n, c, h, w = z.shape
        return z.view(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4).reshape(n, 4 * c, h // 2, w // 2)

    def loss():
        z, log_p = x, 0
        for i in range(16):
            if i % 8 == 0:
                z = squeeze(z)
            a, c = z.chunk(2, 1)
            if i % 2 == 1:
                a, c = c, a
            p = f"couplings.{i}.conv"
            scale, shift = conv(F.relu(conv(F.relu(conv(a, p + "1")), p + "2")), p + "3").chunk(2, 1)
            scale = torch.tanh(scale)
            c = c * scale.exp() + shift
            log_p = log_p + scale.flatten(1).sum(1)
            z = torch.cat([c, a] if i % 2 == 1 else [a, c], 1)
            if i == 7:
                z, out = z.chunk(2, 1)
                log_p = log_p - 0.5 * out.flatten(1).pow(2).sum(1)
        return -(log_p - 0.5 * z.flatten(1).pow(2).sum(1)).mean()

    return trained(loss), b


def wavenet():
    x, y = file["x"].long(), file["y"].long()

    def loss():
        h = W["level.weight"][x].transpose(1, 2).contiguous()
        skips = 0
        for i in range(20):
            d = 2 ** (i % 10)
            a, b = F.conv1d(F.pad(h, (d, 0)), W[f"gates.{i}.weight"], W[f"gates.{i}.bias"], dilation=d).chunk(2, 1)
            out = F.conv1d(torch.tanh(a) * torch.sigmoid(b), W[f"outputs.{i}.weight"][:, :, None], W[f"outputs.{i}.bias"])
            h = h + out[:, :64]
            skips = skips + out[:, 64:]
        h = F.relu(F.conv1d(F.relu(skips), W["last1.weight"][:, :, None], W["last1.bias"]))
        return F.cross_entropy(F.conv1d(h, W["last2.weight"][:, :, None], W["last2.bias"]), y)

    return trained(loss), x.shape[1]


torch.manual_seed(0)
step, items = globals()[NAME]()
print("losses", *("%.7g" % step() for _ in range(LOSSES)))
print("rate %.6g" % (torch_side.rate(step, SECONDS) * items))
print("work %.6g" % (torch_side.work(step) / items))  # GFLOPs an item
print("memory %.0f" % (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
