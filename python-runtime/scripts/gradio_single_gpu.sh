#!/usr/bin/env bash
# Web mode on one GPU. Web mode is not built yet: today this ends with the sentence that says so.
# All flags of 'live-avatar generate' may follow. CKPT_DIR names the model folder.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

generate --size "704*384" --num_clip 100 --server_port "${PORT:-7860}" "$@"
