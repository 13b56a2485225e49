"""The causal audio-driven diffusion transformer, one concept a file (spec sections 2 to 4)."""
