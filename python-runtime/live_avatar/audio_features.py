"""From 16 kHz sound to one speech feature vector per video frame (spec 3.1, 3.2), and where to cut long sound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from live_avatar.checkpoint.config import read_json_object
from live_avatar.checkpoint.layout import speech_part
from live_avatar.errors import UserError
from live_avatar.geometry import FRAMES_PER_SECOND

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Samples = NDArray[np.float32]

_SPEECH_RATE = 50.0
_FEATURE_RATE = 30
_VARIANCE_FLOOR = 1e-7
# Parts of the published file that only training and transcription need.
_UNUSED = ("lm_head.", "quantizer.", "project_q.", "project_hid.")
_WEIGHT_NORM = {
    "conv.weight_g": "conv.parametrizations.weight.original0",
    "conv.weight_v": "conv.parametrizations.weight.original1",
}
_SHORTEST_END_SECONDS = 1


@dataclass(frozen=True, slots=True)
class WaveStatistics:
    """Mean and variance of the samples that normalisation refers to: a whole recording, when it is cut in segments."""

    mean: float
    variance: float

    @classmethod
    def of(cls, pieces: Iterable[Samples]) -> WaveStatistics:
        """Statistics of a recording given in pieces of any length, in one pass."""
        count, mean, square = 0, 0.0, 0.0
        for piece in pieces:
            if len(piece) == 0:
                continue
            values = piece.astype(np.float64)
            # Chan's update: exact for pieces, without the cancellation of sum of squares minus squared sum.
            delta, total = float(values.mean()) - mean, count + len(piece)
            square += float(values.var()) * len(piece) + delta * delta * count * len(piece) / total
            mean += delta * len(piece) / total
            count = total
        return cls(mean, square / count if count else 0.0)


def normalise(samples: Samples, statistics: WaveStatistics | None = None) -> Samples:
    """Zero mean and unit variance, over ``samples`` themselves or by the ``statistics`` of the whole recording."""
    if len(samples) == 0:
        return samples
    mean = np.mean(samples) if statistics is None else np.float32(statistics.mean)
    variance = np.var(samples) if statistics is None else np.float32(statistics.variance)
    normal: Samples = ((samples - mean) / np.sqrt(variance + _VARIANCE_FLOOR)).astype(np.float32)
    return normal


def speech_frames(samples: int, kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Steps (50 per second) the speech model makes of ``samples`` samples; 0 if they are too few."""
    for kernel, stride in zip(kernels, strides, strict=True):
        samples = max(0, (samples - kernel) // stride + 1)
    return samples


def feature_frames(speech: int) -> int:
    """Feature vectors (30 per second) from ``speech`` steps of the speech model."""
    return int(speech / _SPEECH_RATE * _FEATURE_RATE)


def bucket_indices(frames: int, first_frame: int = 0) -> NDArray[np.int64]:
    """Index of the feature vector each video frame uses: 1.2 per frame, rounded; exact integers (spec 3.2)."""
    return (12 * np.arange(first_frame, first_frame + frames, dtype=np.int64) + 5) // 10


def frame_features(features: Tensor, first_frame: int, frames: int) -> Tensor:
    """The features of ``frames`` video frames from ``first_frame`` on: [1, layers, A, frames].

    Args:
        features: [layers, T30, A] from :meth:`AudioFeatureExtractor.features`.
        first_frame: counted from where ``features`` begins; frames past the end get zeros, as upstream does.
    """
    import torch

    if first_frame < 0 or frames < 1:
        raise ValueError(f"no frames {first_frame} + {frames}")
    index = torch.from_numpy(bucket_indices(frames, first_frame))
    inside = index[index < features.shape[1]].to(features.device)
    picked = features.new_zeros(1, features.shape[0], features.shape[2], frames)
    picked[0, :, :, : len(inside)] = features[:, inside].transpose(1, 2)
    return picked


def split_points(frame_levels: Sequence[float] | NDArray[Any], max_seconds: float = 60.0) -> list[tuple[int, int]]:
    """Cut a recording into segments of at most ``max_seconds``, each cut where it is quietest: (first frame, frames).

    A recording that fits stays one segment, which is the published behaviour. Otherwise each cut lies between two
    video frames in the last third of the longest segment possible, where those two frames are quietest together;
    of equally quiet places the latest. The last segment is at least one second long.

    Args:
        frame_levels: root mean square of the samples of each video frame (40 ms, 640 samples).
    """
    levels = np.asarray(frame_levels, dtype=np.float64)
    longest = int(max_seconds * FRAMES_PER_SECOND)
    shortest_end = _SHORTEST_END_SECONDS * FRAMES_PER_SECOND
    if longest < 3 * shortest_end:
        raise ValueError(f"max_seconds must be at least {3 * _SHORTEST_END_SECONDS}, not {max_seconds}")
    power = levels**2
    segments: list[tuple[int, int]] = []
    start = 0
    while len(levels) - start > longest:
        first = start + 2 * longest // 3
        last = min(start + longest, len(levels) - shortest_end)
        around = power[first - 1 : last] + power[first : last + 1]
        cut = last - int(np.argmin(around[::-1]))
        segments.append((start, cut - start))
        start = cut
    segments.append((start, len(levels) - start))
    return segments


class AudioFeatureExtractor:
    """The speech model and its preprocessing. Make it with :meth:`load`.

    Attributes:
        minimum_samples: least samples that give one feature vector (720 in the published model, 45 ms).
    """

    def __init__(self, model: Any, do_normalize: bool, dtype: torch.dtype, device: torch.device) -> None:
        self.model = model
        self.do_normalize = do_normalize
        self.dtype = dtype
        self.device = device
        self.minimum_samples = _minimum_samples(model.config.conv_kernel, model.config.conv_stride)

    @classmethod
    def load(cls, folder: Path, dtype: torch.dtype, device: torch.device | str) -> AudioFeatureExtractor:
        """Load a Wav2Vec2 folder: configuration, preprocessor and weights, all of them or none.

        The transcription head is left out. Both names of the positional convolution's weight norm are understood.

        Raises:
            UserError: any ``CHECKPOINT_…`` code of :mod:`live_avatar.checkpoint.tensors`, ``CHECKPOINT_INCOMPLETE``.
        """
        import torch
        from transformers import Wav2Vec2Config, Wav2Vec2Model

        from live_avatar.checkpoint.tensors import load_strict, open_weights

        part = speech_part(folder, folder)
        if part.missing:
            raise UserError(
                "CHECKPOINT_INCOMPLETE",
                f"The speech model in {folder} is not complete.",
                f"Missing: {', '.join(part.missing)}.",
                "Download the missing files into that folder, or choose another model folder.",
                field="ckpt_dir",
            )
        weights, config_path, preprocessor_path = part.files
        do_normalize = read_json_object(preprocessor_path).get("do_normalize", True) is True
        try:
            config = Wav2Vec2Config.from_dict(read_json_object(config_path))
            with torch.device("meta"):
                model = Wav2Vec2Model(config)
        except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError) as error:
            raise UserError(
                "CHECKPOINT_CONFIG_INVALID",
                f"{config_path} does not describe a speech model.",
                f"{error}.",
                "Restore the published file, or choose another model folder.",
                field="ckpt_dir",
            ) from error
        load_strict(model, open_weights(weights).renamed(_model_name), dtype=dtype, device=device)
        model.requires_grad_(False)
        if dtype != torch.float32 and torch.device(device).type == "cpu":
            _widen(model.encoder.pos_conv_embed.conv, dtype)
        return cls(model.eval(), do_normalize, dtype, torch.device(device))

    @property
    def layers(self) -> int:
        """Hidden states per step: the encoder's input and every layer (25 in the published model)."""
        return int(self.model.config.num_hidden_layers) + 1

    @property
    def width(self) -> int:
        """Width of one hidden state (A)."""
        return int(self.model.config.hidden_size)

    def hidden_states(self, samples: Samples, statistics: WaveStatistics | None = None) -> Tensor:
        """All hidden states at 50 steps per second: [layers, T50, A] on the model's device, in its precision.

        Sound shorter than :attr:`minimum_samples` (even none at all) is followed by digital silence up to that length.

        Args:
            samples: mono float32 at 16 kHz; a whole segment, since every step hears all of it.
            statistics: of the whole recording, when ``samples`` is a part of it.
        """
        import torch

        values = normalise(samples, statistics) if self.do_normalize else samples
        values = np.pad(values, (0, max(0, self.minimum_samples - len(values))))
        tensor = torch.from_numpy(np.ascontiguousarray(values)).to(self.device, self.dtype)
        with torch.no_grad():
            states = self.model(tensor[None], output_hidden_states=True).hidden_states
        return torch.cat(tuple(states))

    def features(self, samples: Samples, statistics: WaveStatistics | None = None) -> Tensor:
        """Hidden states resampled to 30 vectors per second: [layers, T30, A], float32 on the CPU.

        T30 = int(T50 / 50 * 30); linear interpolation with both ends aligned, in the model's precision. Arguments as
        :meth:`hidden_states`.
        """
        import torch

        states = self.hidden_states(samples, statistics).transpose(1, 2)
        count = feature_frames(states.shape[2])
        resampled = torch.nn.functional.interpolate(states, size=count, mode="linear", align_corners=True)
        return resampled.transpose(1, 2).to("cpu", torch.float32).contiguous()


def _widen(convolution: Any, dtype: torch.dtype) -> None:
    """Let a convolution compute in float32 between neighbours in ``dtype``.

    With AMX, oneDNN gets long bfloat16 kernels of 2 to 14 channels a group wholly wrong (torch 2.13; those of 16 and
    more, as the published model has, are right). One convolution costs too little to ask which processor it is.
    """
    convolution.float()
    convolution.register_forward_pre_hook(lambda module, given: tuple(each.float() for each in given))
    convolution.register_forward_hook(lambda module, given, found: found.to(dtype))


def _minimum_samples(kernels: Sequence[int], strides: Sequence[int]) -> int:
    samples = 1
    while feature_frames(speech_frames(samples, kernels, strides)) < 1:
        samples += 1
    return samples


def _model_name(key: str) -> str | None:
    """The model's name of a stored tensor, or ``None`` for the parts that are not used."""
    if key.startswith(_UNUSED):
        return None
    key = key.removeprefix("wav2vec2.")
    for old, new in _WEIGHT_NORM.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key
