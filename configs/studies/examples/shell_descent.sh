#!/bin/sh
# Gradient descent on the Rosenbrock function, in awk. Settings come from the environment; every tenth step is
# printed.
set -eu

: "${RATE:=0.001}" "${MOMENTUM:=0.0}" "${STEPS:=200}"

echo "descending with rate $RATE and momentum $MOMENTUM"
step=0
state="-1.2 1 0 0"
while [ "$step" -lt "$STEPS" ]; do
    state=$(awk -v state="$state" -v rate="$RATE" -v momentum="$MOMENTUM" -v step="$step" 'BEGIN {
        split(state, s, " "); x = s[1]; y = s[2]; vx = s[3]; vy = s[4]
        for (i = 0; i < 10; i++) {
            gx = -2 * (1 - x) - 400 * x * (y - x * x); gy = 200 * (y - x * x)
            vx = momentum * vx - rate * gx; vy = momentum * vy - rate * gy
            x += vx; y += vy
        }
        loss = (1 - x) ^ 2 + 100 * (y - x * x) ^ 2
        printf "step %d: loss=%.6g gradient=%.6g\n", step + 10, loss, sqrt(gx * gx + gy * gy) > "/dev/stderr"
        printf "%.10g %.10g %.10g %.10g", x, y, vx, vy
    }')
    step=$((step + 10))
done
echo "done at $state"
