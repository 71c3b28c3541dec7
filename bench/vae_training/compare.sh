#!/bin/bash
# Training a variational autoencoder, Tessera against Debian's PyTorch: same weights, batch, noise, in turns in one run.
# Checks first that five steps' losses agree to 1e-3, then prints each side's median and their ratio.
#
#   bench/vae_training/compare.sh PROGRAM [THREADS] [ROUNDS] [SECONDS] [KIND]      PROGRAM: build/bench/vae_training_step
#   KIND: conv (default) or mlp
set -euo pipefail
program=$1 threads=${2:-2} rounds=${3:-3} seconds=${4:-10} kind=${5:-conv}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 -c 'import torch' 2>/dev/null || { echo "PyTorch is missing: apt-get install python3-torch python3-numpy libopenblas0-openmp" >&2; exit 1; }
"$program" fixture "$work/fixture.safetensors" "$kind"
for ((i = 0; i < rounds; ++i)); do
  TESSERA_THREADS=$threads "$program" run "$work/fixture.safetensors" "$seconds" > "$work/ours.$i"
  /usr/bin/python3 "$here/twin.py" run "$work/fixture.safetensors" "$seconds" "$threads" > "$work/torch.$i"
done
paste -d' ' <(grep losses "$work/ours.0") <(grep losses "$work/torch.0") | awk '{
  for (i = 2; i <= 6; ++i) { d = ($i - $(i + 6)) / $(i + 6); if (d < 0) d = -d; if (d > worst) worst = d }
  printf "losses of five steps differ by at most %.1e (relative)\n", worst; exit worst > 1e-3 }' || { echo "the two sides do not compute the same" >&2; exit 1; }
median() { grep -h rate "$@" | awk '{print $2}' | sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
ours=$(median "$work"/ours.*) torch=$(median "$work"/torch.*)
awk -v a="$ours" -v b="$torch" -v t="$threads" -v k="$kind" 'BEGIN { printf "%s: Tessera %.1f pictures/s, PyTorch %.1f pictures/s, %d threads: ratio %.2f (wanted: 2.5)\n", k, a, b, t, a / b }'
