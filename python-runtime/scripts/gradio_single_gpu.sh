#!/usr/bin/env bash
# Web mode on one GPU: the first of CUDA_VISIBLE_DEVICES if that is given.
# All flags of 'npm run serve' may follow. PORT is the port (7860).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

if [ -n "${CUDA_VISIBLE_DEVICES:-}" ]; then
  export CUDA_VISIBLE_DEVICES="${CUDA_VISIBLE_DEVICES%%,*}"
fi
serve 1 "$@"
