#!/bin/bash
# Training the network of examples/paint beside PyTorch: see bench/beside_torch.sh.
#
#   bench/paint_training/compare.sh PROGRAM [THREADS] [ROUNDS] [SECONDS]      PROGRAM: build/bench/paint_training_step
here=$(cd "$(dirname "$0")" && pwd)
exec bash "$here/../beside_torch.sh" "$1" "$here/twin.py" 1.5 "${2:-2}" "${3:-3}" "${4:-15}"
