#!/bin/bash
# Training DCGAN (32 x 32, batch 64; a step of the critic, then one of the generator) beside PyTorch: see
# bench/beside_torch.sh.
#
#   bench/gan_training/compare.sh PROGRAM [THREADS] [ROUNDS] [SECONDS]      PROGRAM: build/bench/gan_training_step
here=$(cd "$(dirname "$0")" && pwd)
exec bash "$here/../beside_torch.sh" "$1" "$here/twin.py" 2.2 "${2:-2}" "${3:-3}" "${4:-15}"
