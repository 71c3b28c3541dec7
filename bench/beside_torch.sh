#!/bin/bash
# Training, Tessera against Debian's PyTorch: same weights, same data, in turns in one run. Checks first that the losses of five
# steps agree to 1e-3, then prints each side's median and their ratio. The compare.sh of each training call it:
#
#   beside_torch.sh PROGRAM TWIN WANTED [THREADS] [ROUNDS] [SECONDS] [KIND]
#
# PROGRAM fixture FILE [KIND] writes weights and data; PROGRAM run FILE SECONDS and TWIN run FILE SECONDS THREADS print
# `losses ...`, `rate PICTURES_A_SECOND` and, if they like, `peak MIB`.
set -euo pipefail
program=$1 twin=$2 wanted=$3 threads=${4:-2} rounds=${5:-3} seconds=${6:-15} kind=${7:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 -c 'import torch' 2>/dev/null || { echo "PyTorch is missing: apt-get install python3-torch python3-numpy libopenblas0-openmp" >&2; exit 1; }
"$program" fixture "$work/fixture.safetensors" ${kind:+"$kind"}
for ((i = 0; i < rounds; ++i)); do
  TESSERA_THREADS=$threads "$program" run "$work/fixture.safetensors" "$seconds" > "$work/ours.$i"
  /usr/bin/python3 "$twin" run "$work/fixture.safetensors" "$seconds" "$threads" > "$work/torch.$i"
done
paste -d' ' <(grep losses "$work/ours.0") <(grep losses "$work/torch.0") | awk '{
  n = NF / 2; for (i = 2; i <= n; ++i) { d = ($i - $(i + n)) / $(i + n); if (d < 0) d = -d; if (d > worst) worst = d }
  printf "losses of five steps differ by at most %.1e (relative)\n", worst; exit worst > 1e-3 }' || { echo "the two sides do not compute the same" >&2; exit 1; }
median() { grep -h rate "$@" | awk '{print $2}' | sort -g | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
awk -v a="$(median "$work"/ours.*)" -v b="$(median "$work"/torch.*)" -v t="$threads" -v k="${kind:+$kind: }" -v w="$wanted" 'BEGIN {
  printf "%sTessera %.1f pictures/s, PyTorch %.1f pictures/s, %d threads: ratio %.2f (wanted: %s)\n", k, a, b, t, a / b, w }'
if grep -q peak "$work/ours.0" && grep -q peak "$work/torch.0"; then
  peak() { grep -h peak "$@" | awk '{if ($2 > m) m = $2} END {print m}'; }
  awk -v m="$(peak "$work"/ours.*)" -v n="$(peak "$work"/torch.*)" 'BEGIN {
    printf "peak memory %d and %d MiB: %.2f (wanted: at most 0.5)\n", m, n, m / n }'
fi
