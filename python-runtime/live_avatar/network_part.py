"""Which tensors of the denoiser a rank loads. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from live_avatar.checkpoint.config import DitConfig
from live_avatar.fast.weight_sizes import classify
from live_avatar.layer_span import LayerSpan

# They turn conditions into tokens, once a take, a prompt or a block; what they make is sent.
_LEAD_ONLY = ("text_embedding.", "time_embedding.", "time_projection.", "casual_audio_encoder.", "frame_packer.")


@dataclass(frozen=True, slots=True)
class NetworkPart:
    """A run of layers, and what else a rank needs.

    The embedding of patches, the head and the modulation of all layers are small, and on every rank: so each can begin
    and end a pass, and knows the gate of a hidden state that comes to it.

    Attributes:
        span: with everything of its layers: also what makes keys and values from prompt and sound.
        lead: whether it turns conditions into tokens.
    """

    span: LayerSpan
    lead: bool = True

    @classmethod
    def whole(cls, config: DitConfig) -> NetworkPart:
        """All of the network."""
        return cls(LayerSpan(0, config.num_layers))

    def has(self, config: DitConfig, name: str) -> bool:
        """Whether the tensor of a published name is in it."""
        _, layer = classify(config, name)
        if layer >= 0:
            return layer in self.span
        return self.lead or not is_lead_only(name)

    def names(self, config: DitConfig, names: Iterable[str]) -> list[str]:
        """Those of the given names that are in it, in their order."""
        return [name for name in names if self.has(config, name)]


def is_lead_only(name: str) -> bool:
    """Whether only the lead needs a tensor."""
    return name.startswith(_LEAD_ONLY)
