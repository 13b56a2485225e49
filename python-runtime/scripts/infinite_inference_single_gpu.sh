#!/usr/bin/env bash
# One GPU (or the processor): as long a video as the sound.
# Needs --image, --audio and --prompt; all flags of 'live-avatar generate' may follow. CKPT_DIR names the model folder.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

generate --single_gpu --size "704*384" --num_clip 10000 --enable_online_decode "$@"
