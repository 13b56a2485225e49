#!/usr/bin/env bash
# Four GPUs of any size: one of them also decodes and encodes. They are cut by what 'live-avatar plan' finds best.
# NUM_GPUS_DIT and CUDA_VISIBLE_DEVICES say how many denoise, and which cards there are.
# All flags of 'live-avatar generate' may follow. CKPT_DIR names the model folder.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

generate --size "720*400" --num_clip 10000 --num_gpus_dit "${NUM_GPUS_DIT:-4}" "$@"
