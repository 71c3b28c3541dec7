"""The other side of compare.sh: the same DCGAN, data and noise in PyTorch, from the same weights.

  python3 twin.py run FILE SECONDS THREADS"""
import os, resource, sys

FILE, SECONDS, THREADS = sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import torch_side

torch_side.start(THREADS)
import torch
import torch.nn as nn

file, _ = torch_side.read(FILE)
WIDTH, f = 128, 64


def up(i, o, k=4, s=2, p=1):
    return [nn.ConvTranspose2d(i, o, k, s, p, bias=False), nn.BatchNorm2d(o), nn.ReLU(True)]


def down(i, o, bn=True):
    conv = nn.Conv2d(i, o, 4, 2, 1, bias=not bn)
    return [conv] + ([nn.BatchNorm2d(o)] if bn else []) + [nn.LeakyReLU(0.2, True)]


G = nn.Sequential(*up(WIDTH, f * 4, 4, 1, 0), *up(f * 4, f * 2), *up(f * 2, f), nn.ConvTranspose2d(f, 3, 4, 2, 1), nn.Tanh())
D = nn.Sequential(*down(3, f, False), *down(f, f * 2), *down(f * 2, f * 4), nn.Conv2d(f * 4, 1, 4))


def set_(to, value):
    assert tuple(to.shape) == tuple(value.shape), (to.shape, value.shape)
    with torch.no_grad():
        to.copy_(value)


# [KH, KW, a, b] -> [b, a, KH, KW]: convolutions are [out, in, ...] there, transposed ones [in, out, ...]
turned = lambda w: w.permute(3, 2, 0, 1)
# The first layer, from 1 x 1: a linear map to [4, 4, C].
set_(G[0].weight, file["generator.body.first.weight"].view(4, 4, 4 * f, WIDTH).permute(3, 2, 0, 1))
for i, at in enumerate((3, 6, 9)):
    set_(G[at].weight, turned(file[f"generator.body.ups.{i}.weight"]))
set_(G[9].bias, file["generator.body.ups.2.bias"])
for i, at in enumerate((0, 2, 5)):
    set_(D[at].weight, turned(file[f"critic.body.downs.{i}.layer.weight"]))
set_(D[0].bias, file["critic.body.downs.0.layer.bias"])
set_(D[8].weight, file["critic.head.layer.weight"].view(1, 4, 4, 4 * f).permute(0, 3, 1, 2))
set_(D[8].bias, file["critic.head.layer.bias"])

og, od = (torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n in (G, D))
real = file["real"].permute(0, 3, 1, 2).contiguous()
noise = file["noise"][..., None, None]
one, zero = torch.ones(real.shape[0]), torch.zeros(real.shape[0])
bce = nn.BCEWithLogitsLoss()
turn = 0


def round_():
    global turn
    z = noise[turn % len(noise)]
    turn += 1
    od.zero_grad(set_to_none=True)
    fake = G(z)
    judged = bce(D(real).view(-1), one) + bce(D(fake.detach()).view(-1), zero)
    judged.backward()
    od.step()
    og.zero_grad(set_to_none=True)
    pleased = bce(D(fake).view(-1), one)
    pleased.backward()
    og.step()
    return judged.item(), pleased.item()


print("losses", *(f"{x:.6f}" for _ in range(5) for x in round_()))
print(f"rate {torch_side.rate(round_, SECONDS) * real.shape[0]:.3f}")
print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}")
