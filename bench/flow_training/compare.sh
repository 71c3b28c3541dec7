#!/bin/bash
# Training a multi-scale flow beside PyTorch: see bench/beside_torch.sh.
#
#   bench/flow_training/compare.sh PROGRAM [THREADS] [ROUNDS] [SECONDS] [KIND]      PROGRAM: build/bench/flow_training_step
#   KIND: realnvp (default) or glow
here=$(cd "$(dirname "$0")" && pwd)
exec bash "$here/../beside_torch.sh" "$1" "$here/twin.py" 2.2 "${2:-2}" "${3:-3}" "${4:-10}" "${5:-realnvp}"
