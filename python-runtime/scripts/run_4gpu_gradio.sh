#!/usr/bin/env bash
# Web mode on four GPUs. Web mode is not built yet: today this ends with the sentence that says so.
# NUM_GPUS_DIT and CUDA_VISIBLE_DEVICES say how many denoise, and which cards there are.
# All flags of 'live-avatar generate' may follow. CKPT_DIR names the model folder.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

generate --size "720*400" --num_clip 100 --num_gpus_dit "${NUM_GPUS_DIT:-4}" --server_port "${PORT:-7860}" "$@"
