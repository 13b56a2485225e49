"""Train the demo denoiser, then its LoRA for the four-step schedule.

Run ``torchrun --nproc-per-node N -m training.train_video --ckpt ../resources/models/demo --seconds 420``.
The base is trained on all noise levels, like a model meant for many steps; the LoRA on exactly the four levels it will
be sampled at, on the states its own steps produce, so that what the sampler feeds it is what it has seen.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from live_avatar.checkpoint.config import DitConfig
from live_avatar.geometry import LATENT_FRAMES_PER_BLOCK, LatentShape
from live_avatar.model.rope import REFERENCE_PREFILL_FRAME, RotaryPositions
from live_avatar.model.transformer import CausalAvatarTransformer
from live_avatar.sampler import make_schedule
from live_avatar.vae.model import VideoVae
from training.avatars.renderer import MOUTH as MOUTH_BOX
from training.cropped_rope import CroppedRotary
from training.distributed import Workers
from training.low_rank import add_low_rank, remove_low_rank, save_low_rank
from training.optimiser import Trainer
from training.speech.corpus import make_corpus
from training.video_forward import WindowConditions, prepare_window, window_velocity
from training.video_pool import VideoPool, encode_prompts, make_pool

FULL = LatentShape(32, 48, 48)
# Head and shoulders (top, left, height, width) in latents: a quarter of the tokens.
HEAD = (8, 16, 24, 16)
SHARD_BYTES = 15 * 2**20


def model_config(folder: Path, text_dim: int) -> dict[str, object]:
    """The demo model's config.json."""
    wav2vec = json.loads((folder / "wav2vec2-large-xlsr-53-english" / "config.json").read_text())
    return {
        "_class_name": "WanModel_S2V",
        "dim": 256,
        "ffn_dim": 1024,
        "num_heads": 4,
        "num_layers": 8,
        "audio_inject_layers": [0, 2, 4, 6],
        "audio_dim": wav2vec["hidden_size"],
        "text_dim": text_dim,
        "text_len": 512,
        "num_audio_token": 4,
        "in_dim": 16,
        "out_dim": 16,
        "cond_dim": 16,
        "freq_dim": 256,
        "eps": 1e-6,
        "model_type": "s2v",
        "enable_adain": True,
        "adain_mode": "attn_norm",
        "zero_init": True,
        "zero_timestep": True,
        "enable_motioner": False,
        "add_last_motion": True,
        "enable_tsm": False,
        "trainable_token_pos_emb": False,
        "motion_token_num": 1024,
        "enable_framepack": True,
        "framepack_drop_mode": "padd",
    }


def initialise(model: CausalAvatarTransformer) -> None:
    """Start near "the velocity is what I see": the network need not learn to copy noise."""
    width = model.config.dim
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2 and name.endswith("weight") and "norm" not in name:
                nn.init.normal_(parameter, std=(parameter[0].numel()) ** -0.5)
        patch = model.patch_embedding.weight
        columns = patch[0].numel()
        basis = torch.linalg.qr(torch.randn(width, columns, device=patch.device))[0]
        patch.copy_(basis.view_as(patch) * (width / columns) ** 0.5)
        nn.init.zeros_(model.cond_encoder.bias)  # type: ignore[arg-type]
        # The patch embedding orders its inputs (channel, row, column); the head its outputs (row, column, channel).
        order = torch.arange(columns).view(16, 2, 2).permute(1, 2, 0).flatten()
        model.head.head.weight.copy_(basis.T[order] * (columns / width) ** 0.5)
        nn.init.zeros_(model.head.head.bias)
        model.head.modulation.zero_()
        for block in model.layers():
            block.modulation.zero_()
            block.modulation[:, 2] = 0.3
            block.modulation[:, 5] = 0.3
            nn.init.normal_(block.cross_attn.o.weight, std=0.02)
        projection = model.time_projection[1]
        assert isinstance(projection, nn.Linear)
        nn.init.normal_(projection.weight, std=0.01)
        nn.init.zeros_(projection.bias)
        for index in range(len(model.config.audio_inject_layers)):
            nn.init.normal_(model.audio_injector.projections(index).o.weight, std=0.01)
        nn.init.normal_(model.trainable_cond_mask.weight, std=0.2)


class WindowSampler:
    """Random windows of the pool with everything they are conditioned on."""

    def __init__(self, pool: VideoPool, contexts: Tensor, batch: int, blocks: int, seed: int) -> None:
        self.pool, self.contexts, self.batch, self.blocks = pool, contexts, batch, blocks
        self.random = torch.Generator().manual_seed(seed)

    def next(self, box: tuple[int, int, int, int] | None) -> tuple[Tensor, WindowConditions]:
        """Latents [B, 16, 3 * blocks, h, w] and conditions, of the whole picture or of a rectangle."""
        pool, batch, blocks = self.pool, self.batch, self.blocks
        device = pool.latents.device
        uniform = torch.rand(batch, 4, generator=self.random)
        clip = (uniform[:, 0] * pool.latents.shape[0]).long()
        # Windows at the very start matter most: everything later depends on them.
        start = (uniform[:, 1] * (pool.blocks - blocks + 1)).long()
        start[uniform[:, 2] < 0.25] = 0
        opening = start == 0
        far = (torch.rand(batch, generator=self.random) < 0.7) & ~opening
        shift = (torch.rand(batch, generator=self.random).pow(2) * 4000).long()
        position = torch.where(opening, start, start + FULL.clip_blocks) + shift * far
        anchored = ~opening & (uniform[:, 3] < 0.85)
        ahead = torch.randint(4, 31, (batch, blocks), generator=self.random)
        block_index = position.unsqueeze(-1) + torch.arange(blocks)
        reference_frame = (block_index * LATENT_FRAMES_PER_BLOCK + ahead).clamp_min(REFERENCE_PREFILL_FRAME)

        latents, reference, motion, audio, labels = [], [], [], [], []
        for row in range(batch):
            c, s = int(clip[row]), int(start[row])
            span = slice(s * LATENT_FRAMES_PER_BLOCK, (s + blocks) * LATENT_FRAMES_PER_BLOCK)
            latents.append(pool.latents[c, :, span])
            reference.append(pool.latents[c, :, :1] if anchored[row] else pool.reference[c])
            motion.append(pool.motion[c])
            audio.append(pool.audio[c, :, :, s * 12 : (s + blocks) * 12])
            labels.append(pool.labels[c, s : s + blocks])
        label = torch.stack(labels)
        # Up to two prompts a window: the one it begins with and the one it ends with.
        choice = torch.randint(self.contexts.shape[2], (batch,), generator=self.random).to(device)
        ends = torch.stack([label[:, 0], label[:, -1]], 1)
        contexts = self.contexts[ends[..., 0], ends[..., 1], choice.unsqueeze(-1)].flatten(0, 1)
        changed = (label != label[:, :1]).any(-1).long()
        rows = torch.arange(batch, device=device).unsqueeze(-1) * 2
        padded = contexts.new_zeros(2 * batch, 512, contexts.shape[-1])
        padded[:, : contexts.shape[1]] = contexts
        conditions = WindowConditions(
            _cut(torch.stack(reference), box),
            _cut(torch.stack(motion), box),
            padded,
            rows + changed,
            (rows + changed[:, -1:]).squeeze(-1),
            torch.stack(audio).to(device).float(),
            position.to(device),
            reference_frame.to(device),
        )
        return _cut(torch.stack(latents), box), conditions


def _cut(latents: Tensor, box: tuple[int, int, int, int] | None) -> Tensor:
    if box is None:
        return latents.float()
    top, left, height, width = box
    return latents[..., top : top + height, left : left + width].float()


def latent_weights(device: torch.device) -> Tensor:
    """Loss weight of every latent position [32, 48]: most on the mouth, some on the head."""
    rows = torch.arange(32, device=device).view(-1, 1).float() + 0.5
    columns = torch.arange(48, device=device).view(1, -1).float() + 0.5
    x0, y0, x1, y1 = (side / 8 for side in MOUTH_BOX)
    across, down = (columns - (x0 + x1) / 2) / ((x1 - x0) / 3), (rows - (y0 + y1) / 2) / ((y1 - y0) / 3)
    mouth = (-0.5 * (down**2 + across**2)).exp()
    head = (-0.5 * (((rows - 14) / 9) ** 2 + ((columns - 24) / 9) ** 2)).exp()
    weights = 1 + 6 * mouth + 1.5 * head
    return weights / weights.mean()


def base_sigmas(batch: int, random: torch.Generator) -> Tensor:
    """Noise levels of a batch, spread over all with the shift of 3 that the published base was trained with."""
    spread = torch.rand(batch, generator=random)
    return (3 * spread / (1 + 2 * spread)).clamp_min(0.005)


def main() -> None:
    """Train base and LoRA and write them in the published layout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--ckpt", type=Path, required=True, help="folder with VAE, text encoder and wav2vec; the result goes there"
    )
    parser.add_argument("--out", type=Path, default=None, help="write the denoiser and the LoRA here instead")
    parser.add_argument("--resume", type=Path, default=None, help="folder with a denoiser to go on from")
    parser.add_argument("--seconds", type=float, default=420, help="of base training")
    parser.add_argument("--lora_seconds", type=float, default=90)
    parser.add_argument(
        "--deadline", type=float, default=0, help="end this many seconds after the start; sets --seconds"
    )
    parser.add_argument(
        "--head_share", type=float, default=0.4, help="share of the base training on head and shoulders only"
    )
    parser.add_argument("--clips", type=int, default=600, help="per process")
    parser.add_argument("--clip_blocks", type=int, default=9)
    parser.add_argument("--window_blocks", type=int, default=5)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--head_batch", type=int, default=40)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--lora_rate", type=float, default=1e-3)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--prompts", type=int, default=64, help="per pair of labels")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()

    workers = Workers.start()
    device = workers.device
    torch.manual_seed(2000 + workers.rank)
    torch.backends.cuda.matmul.allow_tf32 = True
    if device.type == "cuda":
        from training.fused_norm import use_fused_norm

        use_fused_norm()
    began = time.monotonic()
    frames = options.clip_blocks * 12
    minutes = options.clips * frames / 2 / 25 / 60 * 1.25 + 0.5
    utterances = make_corpus(minutes, "train", 300 + workers.rank, options.workers)
    workers.say(f"speech {time.monotonic() - began:.0f} s, {len(utterances)} utterances")
    vae = VideoVae.from_state_dict(
        torch.load(options.ckpt / "Wan2.1_VAE.pth", weights_only=True), device, torch.float32
    )
    seed = 200 + workers.rank
    pool = make_pool(utterances, options.ckpt, vae, options.clips, options.clip_blocks, seed, "train", device)
    contexts = encode_prompts(options.ckpt, options.prompts, 10_000 * workers.rank, device)
    workers.say(f"pool {tuple(pool.latents.shape)} after {time.monotonic() - began:.0f} s")

    if options.deadline:
        spent = workers.agree(time.monotonic() - began)
        options.seconds = max(10.0, options.deadline - spent - options.lora_seconds)
        workers.say(f"base training for {options.seconds:.0f} s")
    settings = model_config(options.ckpt, contexts.shape[-1])
    shapes = {"casual_audio_encoder.weights": (1, pool.audio.shape[1], 1, 1)}
    model = CausalAvatarTransformer(DitConfig.from_dict(settings, shapes)).to(device)
    if options.resume is None:
        initialise(model)
    else:
        model.load_state_dict(read_transformer(options.resume))
    workers.share_parameters(model)
    if options.compile:
        torch._dynamo.config.recompile_limit = 64
        for block in model.layers():
            for method in ("before_attention", "after_attention"):
                setattr(block, method, torch.compile(getattr(block, method), dynamic=False))
    full = RotaryPositions(model.config.head_dim, FULL, "float16", device)
    head = CroppedRotary(model.config.head_dim, FULL, HEAD, device)
    weights = latent_weights(device)
    random = torch.Generator().manual_seed(40 + workers.rank)

    muon = {n for n, p in model.named_parameters() if p.ndim == 2 and n.startswith(("blocks", "audio_injector"))}
    trainer = Trainer(model, options.rate, muon, clip=1.0, average=0.998, warm_up=150)
    samplers = {
        "head": WindowSampler(pool, contexts, options.head_batch, options.window_blocks, 60 + workers.rank),
        "full": WindowSampler(pool, contexts, options.batch, options.window_blocks, 80 + workers.rank),
    }
    clock, iteration, progress = time.monotonic(), 0, 0.0
    while True:
        if iteration % 10 == 0:
            progress = workers.agree((time.monotonic() - clock) / options.seconds)
            if progress >= 1:
                break
        part = "head" if progress < options.head_share else "full"
        box = HEAD if part == "head" else None
        latents, conditions = samplers[part].next(box)
        sigma = base_sigmas(latents.shape[0], random).to(device)
        noise = torch.randn_like(latents)
        level = sigma.view(-1, 1, 1, 1, 1)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            rotary = head if box else full
            window = prepare_window(model, conditions, rotary)
            noisy = level * noise + (1 - level) * latents
            velocity = window_velocity(model, noisy, sigma * 1000, window, rotary.shape)
        error = (velocity.float() - (noise - latents)).square() * _cut(weights, box)
        # A velocity error near sigma 0 moves the picture little; count what it does to the clean estimate.
        loss = (error.mean((1, 2, 3, 4)) * (sigma / (sigma + 0.15))).mean()
        loss.backward()
        workers.average_gradients(trainer.parameters)
        norm = trainer.step(progress)
        iteration += 1
        if iteration % 100 == 0:
            workers.say(
                f"{time.monotonic() - clock:.0f} s it {iteration} {part} loss {float(loss):.4f} norm {norm:.2f}"
            )
    trainer.average.swap()
    report: dict[str, object] = {"base_iterations": iteration, "processes": workers.count}
    out = options.out or options.ckpt
    if workers.first:
        save_transformer(model, settings, out)
    workers.say(f"base saved after {time.monotonic() - began:.0f} s")

    if options.lora_seconds > 0:
        report |= train_low_rank(model, samplers["full"], full, weights, workers, options, out)
    if workers.first:
        (out / "video_report.json").write_text(json.dumps(report, indent=1))
    workers.say(json.dumps(report))
    workers.finish()


def train_low_rank(
    model: CausalAvatarTransformer,
    sampler: WindowSampler,
    rotary: RotaryPositions,
    weights: Tensor,
    workers: Workers,
    options: argparse.Namespace,
    out: Path,
) -> dict[str, object]:
    """Train LoRA factors on the sampler's own states at the four noise levels; returns figures before and after."""
    schedule = make_schedule(4)
    added = add_low_rank(model, options.rank)
    layers = nn.ModuleList(added.values())
    trainer = Trainer(layers, options.lora_rate, set(), clip=1.0, average=0.99, warm_up=20)
    clock, iteration = time.monotonic(), 0
    first: list[float] = []
    recent: list[float] = []
    while True:
        progress = workers.agree((time.monotonic() - clock) / options.lora_seconds)
        if progress >= 1:
            break
        latents, conditions = sampler.next(None)
        state = torch.randn_like(latents)
        final = 0.0
        for step in range(schedule.steps - 1):
            sigma = schedule.sigmas[step]
            with torch.autocast(latents.device.type, torch.bfloat16, enabled=latents.is_cuda):
                window = prepare_window(model, conditions, rotary)
                timesteps = torch.full((latents.shape[0],), schedule.timesteps[step], device=latents.device)
                velocity = window_velocity(model, state, timesteps, window, rotary.shape).float()
            clean = state - sigma * velocity
            error = ((clean - latents).square() * weights).mean()
            (error / sigma**2).backward()
            final = float(error.detach()) if step == schedule.steps - 2 else final
            state = (state + schedule.delta(step) * velocity).detach()
        workers.average_gradients(trainer.parameters)
        trainer.step(progress)
        iteration += 1
        (first if iteration <= 10 else recent).append(final)
        if iteration % 20 == 0:
            workers.say(
                f"lora {time.monotonic() - clock:.0f} s it {iteration} clean error {sum(recent[-20:]) / 20:.4f}"
            )
    trainer.average.swap()
    if workers.first:
        save_low_rank(added, out / "liveavatar.safetensors")
    remove_low_rank(model, added, merge=True)
    return {
        "lora_iterations": iteration,
        "clean_error_first": sum(first) / max(1, len(first)),
        "clean_error_last": sum(recent[-40:]) / max(1, len(recent[-40:])),
    }


def read_transformer(folder: Path) -> dict[str, Tensor]:
    """The denoiser's tensors as :func:`save_transformer` wrote them."""
    tensors: dict[str, Tensor] = {}
    for shard in sorted(folder.glob("diffusion_pytorch_model-*.safetensors")):
        tensors |= load_file(shard)
    return tensors


def save_transformer(model: CausalAvatarTransformer, settings: dict[str, object], folder: Path) -> None:
    """Write config.json and bfloat16 shards with their index, no shard above 15 MiB."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().bfloat16().cpu().contiguous() for name, value in model.state_dict().items()}
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if size + tensor.nbytes > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    index: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        file = f"diffusion_pytorch_model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(shard, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=1)
    )
    (folder / "config.json").write_text(json.dumps(settings, indent=1))


if __name__ == "__main__":
    main()
