#!/bin/bash
# Training a class-conditional PixelCNN (28 x 28, 8 bits) beside PyTorch: see bench/beside_torch.sh.
#
#   bench/pixel_cnn_training/compare.sh PROGRAM [THREADS] [ROUNDS] [SECONDS] [KIND]
#   PROGRAM: build/bench/pixel_cnn_training_step; KIND: softmax (default) or mixture
here=$(cd "$(dirname "$0")" && pwd)
exec bash "$here/../beside_torch.sh" "$1" "$here/twin.py" 1.5 "${2:-2}" "${3:-3}" "${4:-10}" "${5:-softmax}"
