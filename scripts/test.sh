#!/usr/bin/env bash
# All tests, or those of the files given: npm test [-- FILE...]. The last line is "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

if missing=$(bash scripts/setup-test-tools.sh --check); then :; else
  if [ "$(id -u)" -ne 0 ]; then
    echo "The tests need these packages; install them as root: apt-get install $missing" >&2
    exit 1
  fi
  bash scripts/setup-test-tools.sh
fi
# Some tests run the built command line, as users do.
npm run -s build
results=$(mktemp)
trap 'rm -f "$results"' EXIT
status=0
npx vitest run --reporter=default --reporter=json --outputFile.json="$results" "$@" || status=$?
node scripts/print-test-counts.ts "$results" "$status" || status=1
exit "$status"
