"""Causal audio-driven avatar video: the inference engine of Avatar Studio."""

from live_avatar.offline import forbid_network_if_asked

__version__ = "0.1.0"

# Here, because every process of the engine comes by: commands, workers, ranks.
forbid_network_if_asked()
