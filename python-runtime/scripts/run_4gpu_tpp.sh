#!/usr/bin/env bash
# Four GPUs. Several GPUs are not built yet: today this ends with the sentence that says so.
# All flags of 'live-avatar generate' may follow. CKPT_DIR names the model folder.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

generate --size "720*400" --num_clip 10000 --num_gpus_dit 4 "$@"
