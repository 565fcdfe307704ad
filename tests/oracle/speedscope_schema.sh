#!/bin/sh
# usage: speedscope_schema.sh CACHE_DIR FILE...
# Exit 0 when every file is valid, 1 when one is not, 77 when node or the packages are missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${PROFCORE_TEST_CACHE:-$1}/npm-speedscope-1.25.0-ajv-8.17.1
shift
skip() {
  echo "skipped: $1" >&2
  exit 77
}
command -v node >/dev/null || skip "node is not installed"
command -v npm >/dev/null || skip "npm is not installed"
if [ ! -e "$cache/done" ]; then
  mkdir -p "$cache"
  npm install --prefix "$cache" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
    speedscope@1.25.0 ajv@8.17.1 >"$cache/log" 2>&1 || skip "npm install failed, see $cache/log"
  touch "$cache/done"
fi
NODE_PATH="$cache/node_modules" exec node "$here/speedscope_schema.js" "$@"
