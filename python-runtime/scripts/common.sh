# shellcheck shell=bash
# Shared by the launchers in this folder; sourced, not run. Finds the program relative to the scripts.
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
root=$(cd -- "$here/../.." && pwd)

# Runs generate with the familiar defaults of the published scripts; flags given to the launcher come last and win.
generate() {
  local python="$root/.runtime/bin/python3"
  if [ ! -x "$python" ]; then
    echo "The Python environment is not set up yet: run 'npm run setup' in $root first." >&2
    exit 2
  fi
  PYTHONPATH="$root/python-runtime${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m live_avatar generate \
    --task s2v-14B --ckpt_dir "${CKPT_DIR:-$root/ckpt/Wan2.2-S2V-14B}" --infer_frames 48 --sample_steps 4 \
    --sample_guide_scale 0 --sample_solver euler --base_seed 420 "$@"
}

# Starts web mode, which does its own set-up, on the first $1 cards, or on those of CUDA_VISIBLE_DEVICES.
serve() {
  if [ -z "${CUDA_VISIBLE_DEVICES+given}" ]; then
    CUDA_VISIBLE_DEVICES=$(seq -s, 0 "$(($1 - 1))")
    export CUDA_VISIBLE_DEVICES
  fi
  shift
  if [ -n "${CKPT_DIR:-}" ]; then
    echo "Web mode asks for the model on its page; CKPT_DIR changes nothing here: $CKPT_DIR" >&2
  fi
  exec node "$root/build/serve.mjs" --server-port "${PORT:-7860}" "$@"
}
