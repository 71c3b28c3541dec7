#!/bin/bash
# Training DCGAN (32 x 32, batch 64; a step of the critic, then one of the generator), Tessera against Debian's PyTorch: same weights,
# same data, same noise, in turns in one run. Checks first that five rounds' losses agree to 1e-3, then prints each side's median and
# their ratio.
#
#   bench/gan_training/compare.sh PROGRAM [THREADS] [ROUNDS] [SECONDS]      PROGRAM: build/bench/gan_training_step
set -euo pipefail
program=$1 threads=${2:-2} rounds=${3:-3} seconds=${4:-15}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 -c 'import torch' 2>/dev/null || { echo "PyTorch is missing: apt-get install python3-torch python3-numpy libopenblas0-openmp" >&2; exit 1; }
"$program" fixture "$work/fixture.safetensors"
for ((i = 0; i < rounds; ++i)); do
  TESSERA_THREADS=$threads "$program" run "$work/fixture.safetensors" "$seconds" > "$work/ours.$i"
  /usr/bin/python3 "$here/twin.py" "$work/fixture.safetensors" "$seconds" "$threads" > "$work/torch.$i"
done
paste -d' ' <(grep losses "$work/ours.0") <(grep losses "$work/torch.0") | awk '{
  n = NF / 2; for (i = 2; i <= n; ++i) { d = ($i - $(i + n)) / $(i + n); if (d < 0) d = -d; if (d > worst) worst = d }
  printf "losses of five rounds differ by at most %.1e (relative)\n", worst; exit worst > 1e-3 }' || { echo "the two sides do not compute the same" >&2; exit 1; }
median() { grep -h rate "$@" | awk '{print $2}' | sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
ours=$(median "$work"/ours.*) torch=$(median "$work"/torch.*)
memory() { grep -h peak "$@" | awk '{if ($2 > m) m = $2} END {print m}'; }
awk -v a="$ours" -v b="$torch" -v t="$threads" -v m="$(memory "$work"/ours.*)" -v n="$(memory "$work"/torch.*)" 'BEGIN {
  printf "Tessera %.1f pictures/s, PyTorch %.1f pictures/s, %d threads: ratio %.2f (wanted: 2.2)\n", a, b, t, a / b
  printf "peak memory %d and %d MiB: %.2f (wanted: at most 0.5)\n", m, n, m / n }'
