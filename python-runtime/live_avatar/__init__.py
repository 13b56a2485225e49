"""Causal audio-driven avatar video: the inference engine of Avatar Studio."""

__version__ = "0.1.0"
