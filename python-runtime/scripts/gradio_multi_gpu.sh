#!/usr/bin/env bash
# Web mode on five GPUs. The planner decides which of them denoise, and whether one only decodes and encodes.
# NUM_GPUS_DIT (one less) or CUDA_VISIBLE_DEVICES say otherwise.
# All flags of 'npm run serve' may follow. PORT is the port (7860).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

serve "$((${NUM_GPUS_DIT:-4} + 1))" "$@"
