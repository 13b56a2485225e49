"""Train the demo VAE: short clips first, then streams with carried state, so that it never forgets how long a video is.

Run ``torchrun --nproc-per-node N -m training.train_vae --out DIR --seconds 480`` (or plain ``python -m``).
A VAE trained on short clips alone collapses on longer streams, because its deeper causal layers reach 38 latents back;
the second stage carries the streaming caches over from chunk to chunk, cut from the gradient.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from live_avatar.vae.config import VaeConfig
from live_avatar.vae.model import VideoVae
from live_avatar.vae.timeline import DecoderState, EncoderState
from training.avatars.renderer import MOUTH as MOUTH_BOX
from training.distributed import Workers
from training.optimiser import Trainer
from training.scenes import as_signal, draw_scenes, make_scene
from training.speech.corpus import make_corpus

CHUNK_FRAMES = 8
CLIP_FRAMES = 121
STILL_FRAMES = 13
# Wide where pictures are small: it costs little there, while every full-size channel costs time on a CPU.
STAGE_WIDTHS = (16, 32, 64, 96)


def mouth_tracks(minutes: float, split: str, seed: int, workers: int, frames: int) -> list[Tensor]:
    """Mouth tracks [frames, 3] cut from a spoken corpus."""
    corpus = make_corpus(minutes, split, seed, workers, augment=False)  # type: ignore[arg-type]
    joined = torch.cat([torch.as_tensor(utterance.mouth) for utterance in corpus])
    return list(joined[: len(joined) // frames * frames].split(frames))


class StreamSampler:
    """Crops that move forward through drawn clips, back and forth, so that a stream can go on for ever."""

    def __init__(self, pool: Tensor, batch: int, crop: tuple[int, int], seed: int) -> None:
        self.pool, self.batch, self.crop = pool, batch, crop
        self.generator = torch.Generator().manual_seed(seed)
        self.weights = _pixel_weights(pool.device)

    def restart(self) -> None:
        """Choose new clips, places and starting frames."""
        height, width = self.pool.shape[-2:]
        random = torch.rand(self.batch, 4, generator=self.generator)
        self.clip = (random[:, 0] * self.pool.shape[0]).long().tolist()
        self.frame = 0
        # Half of the clips begin at the portrait's rest, half somewhere in the talk.
        starts = (random[:, 1] * 2 - 1).clamp_min(0) * (self.pool.shape[1] - 1)
        self.start = starts.long().tolist()
        crop_height, crop_width = self.crop
        self.top, self.left = [], []
        for row in range(self.batch):
            if random[row, 2] < 0.5:
                x0, y0, x1, y1 = MOUTH_BOX
                centre_y, centre_x = (y0 + y1) // 2, (x0 + x1) // 2
                jitter = (torch.rand(2, generator=self.generator) - 0.5) * 48
                top, left = centre_y - crop_height // 2 + int(jitter[0]), centre_x - crop_width // 2 + int(jitter[1])
            else:
                place = torch.rand(2, generator=self.generator)
                top, left = int(place[0] * (height - crop_height + 1)), int(place[1] * (width - crop_width + 1))
            self.top.append(min(max(top, 0), height - crop_height) // 8 * 8)
            self.left.append(min(max(left, 0), width - crop_width) // 8 * 8)

    def next(self, frames: int) -> tuple[Tensor, Tensor]:
        """The next ``frames`` frames: pictures [B, 3, T, h, w] in [-1, 1] and pixel weights [B, 1, 1, h, w]."""
        last = self.pool.shape[1] - 1
        pictures, weights = [], []
        crop_height, crop_width = self.crop
        for row in range(self.batch):
            index = (torch.arange(frames) + self.start[row] + self.frame) % (2 * last)
            index = torch.where(index > last, 2 * last - index, index).to(self.pool.device)
            rows = slice(self.top[row], self.top[row] + crop_height)
            columns = slice(self.left[row], self.left[row] + crop_width)
            pictures.append(self.pool[self.clip[row], :, :, rows, columns].index_select(0, index))
            weights.append(self.weights[rows, columns])
        self.frame += frames
        return as_signal(torch.stack(pictures)).transpose(1, 2), torch.stack(weights)[:, None, None]


def _pixel_weights(device: torch.device) -> Tensor:
    """Weight of every pixel [256, 384]: the mouth counts four times, its surroundings twice."""
    weights = torch.ones(256, 384, device=device)
    x0, y0, x1, y1 = MOUTH_BOX
    weights[y0 - 90 : y1, x0 - 20 : x1 + 20] = 2.0
    weights[y0:y1, x0:x1] = 4.0
    return weights / weights.mean()


def reconstruction_loss(made: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """Weighted L1 + squared error, plus L1 of spatial gradients."""
    error = made - wanted
    loss = ((error.abs() + 2.0 * error.square()) * weights).mean()
    for dimension in (-1, -2):
        slope = (made.diff(dim=dimension) - wanted.diff(dim=dimension)).abs()
        loss = loss + 0.5 * (slope * weights.narrow(dimension, 1, weights.shape[dimension] - 1)).mean()
    return loss


def train_step(
    vae: VideoVae, pictures: Tensor, weights: Tensor, encoder: EncoderState, decoder: DecoderState, kl_weight: float
) -> Tensor:
    """One chunk through encoder and decoder; returns the loss."""
    mean, log_variance = vae.stream_encode_moments(pictures, encoder)
    log_variance = log_variance.clamp(-12.0, 4.0)
    sample = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    made = vae.stream_decode(vae.normalise(sample), decoder, clamp=False)
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
    return reconstruction_loss(made, pictures, weights) + kl_weight * divergence


@torch.no_grad()
def stream_quality(vae: VideoVae, pictures: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Squared error per frame of a full-frame stream: (whole, mouth box), each [clips, T].

    Args:
        pictures: uint8 [clips, T, 3, H, W], T = 1 + 4k.
    """
    x0, y0, x1, y1 = MOUTH_BOX
    encoder, decoder = vae.new_encoder_state(), vae.new_decoder_state()
    whole, mouth, position = [], [], 0
    while position < pictures.shape[1]:
        step = 9 if position == 0 else 8
        wanted = as_signal(pictures[:, position : position + step].to(device)).transpose(1, 2)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            made = vae.stream_decode(vae.stream_encode(wanted, encoder), decoder)
        error = (made - wanted).square()
        whole.append(error.mean((1, 3, 4)))
        mouth.append(error[..., y0:y1, x0:x1].mean((1, 3, 4)))
        position += step
    return torch.cat(whole, 1), torch.cat(mouth, 1)


def decibels(squared_error: Tensor) -> float:
    """PSNR of mean squared errors of signals in [-1, 1]."""
    return 10 * math.log10(4 / max(float(squared_error.mean()), 1e-12))


def latent_statistics(vae: VideoVae, pool: Tensor, device: torch.device, clips: int = 24) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [z] of raw latents over streams of the pool."""
    total = []
    for clip in pool[torch.randperm(pool.shape[0])[:clips]].split(4):
        state = vae.new_encoder_state()
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            for start, stop in ((0, 1), *((f, f + 8) for f in range(1, clip.shape[1] - 7, 8))):
                mean, _ = vae.stream_encode_moments(as_signal(clip[:, start:stop]).transpose(1, 2), state)
                total.append(mean.transpose(0, 1).flatten(1).cpu())
    values = torch.cat(total, 1)
    return values.mean(1), values.std(1)


def fold_statistics(weights: dict[str, Tensor], mean: Tensor, std: Tensor, vae: VideoVae) -> dict[str, Tensor]:
    """Make the published latent statistics true for a trained VAE.

    The 1x1x1 convolutions behind the encoder and before the decoder absorb the change of scale, so the file needs no
    keys of its own.
    """
    folded = {name: value.detach().float().cpu().clone() for name, value in weights.items()}
    channels = mean.shape[0]
    target_mean, target_std = vae.latent_mean.cpu(), vae.latent_std.cpu()
    gain = target_std / std
    folded["conv1.weight"][:channels] *= gain.view(-1, 1, 1, 1, 1)
    folded["conv1.bias"][:channels] = (folded["conv1.bias"][:channels] - mean) * gain + target_mean
    folded["conv1.bias"][channels:] += 2 * gain.log()
    back = folded["conv2.weight"][..., 0, 0, 0]
    folded["conv2.bias"] += back @ (mean - target_mean / gain)
    folded["conv2.weight"] = (back / gain)[..., None, None, None]
    return folded


def main() -> None:
    """Train, judge on unseen avatars over 301-frame streams, and write ``Wan2.1_VAE.pth``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--clips", type=int, default=320, help="drawn clips per process")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, nargs=2, default=(128, 160))
    parser.add_argument("--widths", type=int, nargs=4, default=STAGE_WIDTHS)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--short_share", type=float, default=0.25, help="share of the time spent on short clips")
    parser.add_argument("--kl", type=float, default=2e-5)
    parser.add_argument("--adam_only", action="store_true")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--test_clips", type=int, default=8)
    parser.add_argument("--test_frames", type=int, default=301)
    parser.add_argument("--resume", type=Path, default=None, help="training weights to start from")
    options = parser.parse_args()

    workers = Workers.start()
    torch.manual_seed(1000 + workers.rank)
    torch.backends.cudnn.benchmark = True
    if workers.device.type == "cuda":
        from training.fused_norm import use_fused_norm

        use_fused_norm()
    started = time.monotonic()
    minutes = options.clips * CLIP_FRAMES / 25 / 60 + 1
    tracks = mouth_tracks(minutes, "train", 50 + workers.rank, options.workers, CLIP_FRAMES)
    workers.say(f"speech {time.monotonic() - started:.0f} s, {len(tracks)} tracks")
    scenes = [
        make_scene(1_000_000 * (workers.rank + 1) + i, "train", tracks[i % len(tracks)], STILL_FRAMES, 0.5)
        for i in range(options.clips)
    ]
    pool = torch.cat([draw_scenes([scene], workers.device) for scene in scenes])
    workers.say(f"pool {tuple(pool.shape)} after {time.monotonic() - started:.0f} s")

    vae = VideoVae(VaeConfig(stage_widths=tuple(options.widths))).to(workers.device)
    if options.resume is not None:
        vae.load_state_dict(torch.load(options.resume, map_location=workers.device, weights_only=True))
    vae.use_channels_last()
    workers.share_parameters(vae)
    matrices = {
        name
        for name, parameter in vae.named_parameters()
        if parameter.ndim >= 4 and "norm" not in name and "gamma" not in name and not name.startswith("conv")
    }
    matrices -= {"encoder.conv1.weight", "decoder.head.2.weight", "encoder.head.2.weight", "decoder.conv1.weight"}
    trainer = Trainer(vae, options.rate, set() if options.adam_only else matrices, clip=1.0, average=0.997)
    sampler = StreamSampler(pool, options.batch, tuple(options.crop), 77 + workers.rank)
    generator = torch.Generator().manual_seed(5)  # the same choices in every process
    clock, left, iteration = time.monotonic(), 0, 0
    encoder, decoder = vae.new_encoder_state(), vae.new_decoder_state()
    while True:
        if iteration % 10 == 0:
            progress = workers.agree((time.monotonic() - clock) / options.seconds)
            if progress >= 1:
                break
        if left == 0:
            short = progress < options.short_share and options.resume is None
            left = 1 if short else int(2 ** torch.randint(0, 5, (1,), generator=generator))
            encoder, decoder = vae.new_encoder_state(), vae.new_decoder_state()
            sampler.restart()
        frames = CHUNK_FRAMES + (0 if encoder.started else 1)
        pictures, weights = sampler.next(frames)
        with torch.autocast(workers.device.type, torch.bfloat16, enabled=workers.device.type == "cuda"):
            loss = train_step(vae, pictures, weights, encoder, decoder, options.kl)
        loss.backward()
        workers.average_gradients(trainer.parameters)
        norm = trainer.step(progress)
        encoder.detach()
        decoder.detach()
        left -= 1
        iteration += 1
        if iteration % 200 == 0:
            workers.say(
                f"{time.monotonic() - clock:.0f} s it {iteration} loss {float(loss.detach()):.4f} norm {norm:.2f}"
            )
    trainer.average.swap()
    vae.eval()

    test_tracks = mouth_tracks(
        options.test_clips * options.test_frames / 1500 + 0.5, "test", 9, options.workers, options.test_frames
    )
    mine = range(workers.rank, options.test_clips, workers.count)
    errors = []
    for index in mine:
        scene = make_scene(
            90_000 + index, "test", test_tracks[index % len(test_tracks)][STILL_FRAMES:], STILL_FRAMES, 1.0
        )
        whole, mouth = stream_quality(vae, draw_scenes([scene], workers.device), workers.device)
        errors.append(torch.cat([whole, mouth]))
    frames = options.test_frames // 50 * 50
    summary = workers.mean(torch.stack(errors).mean(0)[:, 1 : frames + 1].unflatten(1, (-1, 50)).mean(2))
    report = {
        "iterations": iteration,
        "seconds": time.monotonic() - clock,
        "psnr_by_50_frames": [round(decibels(v), 2) for v in summary[0]],
        "psnr_mouth_by_50_frames": [round(decibels(v), 2) for v in summary[1]],
    }
    workers.say(json.dumps(report))
    if workers.first:
        options.out.mkdir(parents=True, exist_ok=True)
        torch.save(vae.state_dict(), options.out / "vae_training.pt")
        mean, std = latent_statistics(vae, pool, workers.device)
        folded = fold_statistics(vae.state_dict(), mean, std, vae)
        torch.save({name: value.bfloat16() for name, value in folded.items()}, options.out / "Wan2.1_VAE.pth")
        (options.out / "vae_report.json").write_text(json.dumps(report, indent=1))
    workers.finish()


if __name__ == "__main__":
    main()
