#!/bin/bash
# Training a variational autoencoder beside PyTorch: see bench/beside_torch.sh.
#
#   bench/vae_training/compare.sh PROGRAM [THREADS] [ROUNDS] [SECONDS] [KIND]      PROGRAM: build/bench/vae_training_step
#   KIND: conv (default) or mlp
here=$(cd "$(dirname "$0")" && pwd)
exec bash "$here/../beside_torch.sh" "$1" "$here/twin.py" 2.5 "${2:-2}" "${3:-3}" "${4:-10}" "${5:-conv}"
