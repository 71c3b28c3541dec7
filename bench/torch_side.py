"""What the PyTorch twins of bench/ share. Call start() before anything imports numpy or torch."""
import json, os, struct, sys, time


def choose_openblas_kernels(environment):
    """Debian's OpenBLAS does not know every processor that has AVX-512."""
    with open("/proc/cpuinfo") as cpu:
        if "avx512f" in cpu.read():
            environment.setdefault("OPENBLAS_CORETYPE", "SKYLAKEX")


def start(threads):
    """So many threads, and PyTorch's better BLAS: the pthread flavour keeps a second pool of threads that fights with its
    own. The loader reads the path when a program starts, so this one starts again."""
    choose_openblas_kernels(os.environ)
    openmp = "/usr/lib/x86_64-linux-gnu/openblas-openmp"
    if os.path.isdir(openmp) and os.environ.get("LD_LIBRARY_PATH") != openmp:
        os.environ["LD_LIBRARY_PATH"] = openmp
        os.execv(sys.executable, [sys.executable] + sys.argv)
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)


def header(file):
    """Of an open safetensors file: what it says of its tensors, and its metadata. The tensors come next."""
    entries = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    return entries, entries.pop("__metadata__", {})


def read(path):
    """A safetensors file: its tensors by name, and its metadata."""
    import numpy as np
    import torch

    with open(path, "rb") as file:
        entries, metadata = header(file)
        data = file.read()
    tensors = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        kind = {"F32": np.float32, "I32": np.int32}[entry["dtype"]]
        array = np.frombuffer(data[begin:end], kind).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors, metadata


def rate(step, seconds):
    """Steps a second over so many seconds, three steps at least."""
    begin, steps = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds or steps < 3:
        step()
        steps += 1
    return steps / (time.perf_counter() - begin)


def work(step):
    """GFLOPs of the products and convolutions of one step, both directions, each as the plain sum that defines it. The rest of a
    network is a hundredth of them."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    aten, total = torch.ops.aten, [0]
    first = {aten.mm.default: 0, aten.bmm.default: 0, aten.mv.default: 0, aten.addmm.default: 1, aten.baddbmm.default: 1, aten.addmv.default: 1}

    def convolution(x, w, out, transposed):  # a tap is used once for each number of the smaller side's picture
        return 2 * (x if transposed else out).numel() * w[0].numel()

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, f, types, arguments=(), named=None):
            result = f(*arguments, **(named or {}))
            if f in first:
                a, b = arguments[first[f] : first[f] + 2]
                total[0] += 2 * a.numel() * (b.shape[-1] if b.dim() > 1 else 1)
            elif f == aten.convolution.default:
                total[0] += convolution(arguments[0], arguments[1], result, arguments[6])
            elif f == aten.convolution_backward.default:
                out, x, w = arguments[:3]
                total[0] += sum(arguments[10][:2]) * convolution(x, w, out, arguments[7])
            return result

    with Count():
        step()
    return total[0] * 1e-9
