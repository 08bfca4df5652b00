#!/bin/sh
# For any CI: measure, keep the report, fail on a regression that is beyond doubt.
#
#   examples/ci.sh [BASELINE]     BASELINE is a results folder of an earlier run
set -eu

baseline=${1:-}
set -- startup --budget 300 --output results
if [ -n "$baseline" ] && [ -e "$baseline/samples.csv" ]; then
  set -- "$@" --baseline "$baseline" --max-regression 20%
fi

code=0
envbench "$@" || code=$?
case $code in
  0) echo "measured; the report is results/report.html" ;;
  4) echo "some starts failed; the report says which" ;;
  5) echo "slower than the baseline allows, beyond doubt" ;;
  6) echo "too noisy to decide about a regression"; code=0 ;;
  *) echo "envbench ended with $code" ;;
esac
exit $code
