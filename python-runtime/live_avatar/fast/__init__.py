"""The denoiser as one flat pass of fused operations, for CUDA cards; the plain path in ``model`` is its reference."""
