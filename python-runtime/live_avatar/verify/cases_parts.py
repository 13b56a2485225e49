"""Golden cases of the parts around the denoiser: VAE, speech features, text encoder, picture size, fp8."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy
import torch
from torch import Tensor

from live_avatar.audio_features import bucket_indices, frame_features, normalise
from live_avatar.fp8 import linear, quantise
from live_avatar.geometry import choose_output_size
from live_avatar.image import fit_picture, open_picture
from live_avatar.media.audio_file import decode_audio
from live_avatar.verify.golden import Golden

Outputs = Iterator[tuple[str, Tensor]]
Tensors = dict[str, Tensor]

# Older pipelines featurise at 30 per second; a bucket holds 25 frames for every 30 features.
_FEATURES_PER_FRAME = 1.2


def vae(golden: Golden, tensors: Tensors) -> Outputs:
    """Encode, decode, and the streaming decode that must continue the one-shot decode."""
    codec, video = golden.vae, tensors["in.video"].float()[None]
    for name in tensors:
        if match := re.fullmatch(r"out\.latent_(\d+)", name):
            yield name, codec.encode(video[:, :, : int(match[1])])[0]
        elif match := re.fullmatch(r"out\.latent_still(\d+)", name):
            yield name, codec.encode_still(video[:, :, 0], int(match[1]))[0]
    latents = tensors["in.z"].float()[None]
    yield "out.decoded", codec.decode(latents)[0]
    state = codec.new_decoder_state()
    codec.stream_decode(latents, state)
    yield "out.stream_next12", codec.stream_decode(tensors["in.z2"].float()[None], state)[0]


def audio_features(golden: Golden, tensors: Tensors) -> Outputs:
    """Waveform normalisation, hidden states, features at 30 per second, buckets, resampling."""
    extractor = golden.audio_extractor
    spoken: dict[str, numpy.ndarray] = {}
    for name in tensors:
        match = re.fullmatch(r"out\.(\w+?)\.(input_values|hidden_last|hidden_\d+|feat|bucket|bucket_index_\d+)", name)
        if match is None:
            continue
        file, kind = match[1], match[2]
        if file not in spoken:
            spoken[file] = model_sound(golden.folder / "media" / f"{file}.wav")
        features = extractor.features(spoken[file])
        if kind == "input_values":
            yield name, torch.from_numpy(normalise(spoken[file])[::16].copy())
        elif kind == "feat":
            yield name, features
        elif kind == "bucket":
            yield name, frame_features(features, 0, tensors[name].shape[-1])
        elif kind.startswith("bucket_index"):
            clip = int(kind.rsplit("_", 1)[1])
            clips = int(features.shape[1] / (clip * _FEATURES_PER_FRAME)) + 1
            yield name, torch.from_numpy(bucket_indices(clips * clip))
        else:
            hidden = extractor.hidden_states(spoken[file])
            yield name, hidden[-1 if kind == "hidden_last" else int(kind.removeprefix("hidden_"))]
    if "out.stereo_resampled" in tensors:
        stereo = next((golden.folder / "media").glob("stereo_*.wav"))
        yield "out.stereo_resampled", torch.from_numpy(model_sound(stereo))


def t5(golden: Golden, tensors: Tensors) -> Outputs:
    """Text encoder on given ids, and from the texts themselves."""
    encoder = golden.text_encoder
    states = encoder.encode_ids(tensors["in.ids"], tensors["in.mask"])
    texts = golden.meta("t5")["texts"]
    for name, wanted in tensors.items():
        if match := re.fullmatch(r"out\.context_(\d+)", name):
            yield name, encoder.encode(texts[int(match[1])])
        elif name == "out.bias_0":
            attention = encoder.model.encoder.block[0].layer[0].SelfAttention
            yield name, attention.compute_bias(wanted.shape[1], wanted.shape[2])[0]
    yield "out.padded_tail", states[0, 500:504]
    long = encoder.encode_ids(tensors["in.long_ids"], torch.ones_like(tensors["in.long_ids"]))
    yield "out.long", long[0, ::20]


def size(golden: Golden, tensors: Tensors) -> Outputs:
    """Size selection and the fitted reference picture with its black borders."""
    table = tensors["out.table"].tolist()
    chosen = [[*row[:4], *choose_output_size(row[0] * row[1], row[2], row[3])] for row in table]
    yield "out.table", torch.tensor(chosen)
    picture = open_picture(golden.folder / "media" / "image.png").image
    for name in tensors:
        if match := re.fullmatch(r"out\.pixels_(\d+)x(\d+)_u8", name):
            fitted = fit_picture(picture, int(match[1]), int(match[2]), border="black")
            yield name, torch.from_numpy(numpy.asarray(fitted).copy())


def fp8(golden: Golden, tensors: Tensors) -> Outputs:
    """Quantiser codes and scales, and the emulated product."""
    weights = golden.transformer.state_dict()
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        if f"in.x_{precision}" not in tensors:
            continue
        values = quantise(tensors[f"in.x_{precision}"].to(dtype))
        weight = quantise(weights["blocks.0.ffn.0.weight"].to(dtype))
        yield f"out.xq_{precision}", values.codes.view(torch.uint8)
        yield f"out.wq_{precision}", weight.codes.view(torch.uint8)
        yield f"out.scale_{precision}", torch.stack([values.scale, weight.scale])
        yield f"out.y_{precision}", linear(values, weight, weights["blocks.0.ffn.0.bias"])
    small = quantise(tensors["in.small"])
    yield "out.small_codes", small.codes.view(torch.uint8)
    yield "out.small_scale", small.scale.reshape(1)


def model_sound(path: Path) -> numpy.ndarray:
    """A recording as the model hears it: float32 mono at 16 kHz."""
    with TemporaryDirectory() as folder:
        decoded = decode_audio(path, Path(folder))
        return numpy.array(decoded.model_sound())
