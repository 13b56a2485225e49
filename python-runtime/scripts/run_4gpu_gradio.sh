#!/usr/bin/env bash
# Web mode on four GPUs of any size. The planner takes as many as make a video sooner.
# NUM_GPUS_DIT or CUDA_VISIBLE_DEVICES say otherwise.
# All flags of 'npm run serve' may follow. PORT is the port (7860).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

serve "${NUM_GPUS_DIT:-4}" "$@"
