"""Fit the tiny networks behind ``measures`` on drawings of training avatars, then check them on unseen ones.

``python -m training.avatars.fit_measures`` (about ten minutes on one core; ``--check-only`` prints the figures alone).
Every drawn frame has its own mouth, expression, light, blink and pose, and is used twice, as drawn and blurred
and noisy, as a decoder leaves it.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass

import av
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from training.avatars import measure_nets as nets
from training.avatars import measures
from training.avatars.appearance import sample_appearance
from training.avatars.labels import EXPRESSIONS, LIGHTS
from training.avatars.layers import HEIGHT, WIDTH
from training.avatars.lights import apply_light, light_fields
from training.avatars.performance import (
    Performance,
    expression_weights,
    fake_mouth,
    light_weights,
    performance_from_mouth,
)
from training.avatars.renderer import MOUTH, AvatarRenderer, to_uint8


@dataclass(frozen=True, slots=True)
class Drawn:
    """Network inputs and truth of N frames: each frame as drawn and spoilt; M colour features: in every light.

    Attributes:
        columns: [N, 11, 6, rows]; interior: [N, 11, rows] true coverage between the lips.
        faces: [N, 3, 80, 72]; expression: [N] index.
        scenes: [M, 78]; light: [M] index.
    """

    columns: Tensor
    interior: Tensor
    faces: Tensor
    expression: Tensor
    scenes: Tensor
    light: Tensor


def draw(avatars: int, frames_each: int, seed: int) -> Drawn:
    """Draw independent frames of training avatars."""
    random = np.random.default_rng(seed)
    drawn: list[tuple[Tensor, ...]] = []
    coloured: list[tuple[Tensor, Tensor]] = []
    fields = light_fields(1.0, torch.device("cpu"))
    for number in range(avatars):
        renderer = AvatarRenderer([sample_appearance(500_000 + seed * 10_000 + number, "train")], cache=True)
        play = performance_from_mouth(fake_mouth(600, seed * 10_000 + number), seed=number)
        chosen = play.take(torch.from_numpy(random.choice(600, frames_each, replace=False)))
        expression = torch.from_numpy(random.integers(0, len(EXPRESSIONS), frames_each))
        light = torch.from_numpy(random.integers(0, len(LIGHTS), frames_each))
        blink = torch.from_numpy(np.where(random.uniform(size=frames_each) < 0.1, 1.0, 0.0)).float()
        chosen = Performance(
            chosen.mouth,
            chosen.teeth,
            chosen.tongue,
            torch.maximum(chosen.blink, blink),
            chosen.gaze,
            chosen.head * torch.from_numpy(random.uniform(0.5, 2.0, (frames_each, 1))).float(),
            F.one_hot(expression, len(EXPRESSIONS)).float(),
        )
        plain = (renderer.render_clip(0, chosen, "day") + 1) / 2
        lit = torch.stack([apply_light(plain, light_weights(name, frames_each), fields) for name in LIGHTS])
        clean = lit[light, torch.arange(frames_each)]
        scenes = [(nets.light_input(shown), torch.full((frames_each,), k)) for k, shown in enumerate(lit)]
        rows = slice(nets.MOUTH_ROWS[0] - MOUTH[1], nets.MOUTH_ROWS[1] - MOUTH[1])
        inside = renderer.mouth_interior(0, chosen)[:, rows]
        interior = torch.stack([inside[:, :, x - MOUTH[0]] for x in nets.MOUTH_COLUMNS], 1)
        for frames in (clean, spoil(clean, random)):
            skin = torch.stack([nets.skin_reference(frame[None]) for frame in frames])
            columns = nets.mouth_columns(frames, skin).unflatten(0, (frames_each, len(nets.MOUTH_COLUMNS)))
            drawn.append((columns, interior, nets.face_input(frames, skin), expression))
        scenes.append((nets.light_input(frames), light))
        coloured.extend(scenes)
    parts = [*zip(*drawn, strict=True), *zip(*coloured, strict=True)]
    return Drawn(*(torch.cat(part) for part in parts))


def spoil(frames: Tensor, random: np.random.Generator) -> Tensor:
    """Blur, noise and a small colour error, as a decoder leaves them; frames [N, 3, H, W] in [0, 1]."""
    frames = measures.blurred(frames, random.uniform(0.6, 2.2))
    if random.uniform() < 0.5:
        coarse = torch.from_numpy(random.normal(0, 0.02, (frames.shape[0], 3, HEIGHT // 4, WIDTH // 4))).float()
        frames = frames + F.interpolate(coarse, scale_factor=4, mode="bilinear")
    gain = torch.from_numpy(random.uniform(0.95, 1.05, (frames.shape[0], 3, 1, 1))).float()
    return (frames * gain + float(random.normal(0, 0.01))).clamp(0, 1)


def fit(drawn: Drawn, steps: int, seed: int) -> dict[str, nn.Module]:
    """Train the three networks side by side."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    gap, expression, light = nets.GapNet(), nets.ExpressionNet(), nets.LightNet()
    parameters = [*gap.parameters(), *expression.parameters(), *light.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=4e-3, weight_decay=1e-3)
    start = time.monotonic()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 4e-3 * min(1.0, (step + 1) / 50) * (1 - step / steps) + 2e-5
        index = torch.from_numpy(random.choice(len(drawn.faces), min(48, len(drawn.faces)), replace=False))
        logits = gap(drawn.columns[index].flatten(0, 1))
        gap_loss = F.binary_cross_entropy_with_logits(logits, drawn.interior[index].flatten(0, 1))
        dx, dy = (int(v) for v in random.integers(-2, 3, 2))
        expression_loss = F.cross_entropy(
            expression(drawn.faces[index].roll((dy, dx), (2, 3))), drawn.expression[index]
        )
        index = torch.from_numpy(random.choice(len(drawn.light), min(192, len(drawn.light)), replace=False))
        gain = torch.from_numpy(random.uniform(0.95, 1.05, (len(index), 1))).float()
        light_loss = F.cross_entropy(light(drawn.scenes[index] * gain), drawn.light[index])
        optimiser.zero_grad()
        (10 * gap_loss + expression_loss + light_loss).backward()
        optimiser.step()
        if (step + 1) % max(1, steps // 10) == 0:
            losses = f"gap {gap_loss:.4f} expression {expression_loss:.3f} light {light_loss:.3f}"
            print(f"{time.monotonic() - start:5.0f} s, {step + 1} steps: {losses}", flush=True)
    return {"gap": gap, "expression": expression, "light": light}


def compressed(frames: NDArray[np.uint8], quality: int = 17) -> NDArray[np.uint8]:
    """Frames [T, H, W, 3] through H.264 at constant rate factor ``quality`` and back."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(quality), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def check(clips: int, still_combinations: int, frames: int = 100) -> dict[str, float]:
    """Figures on unseen avatars: correlation and slope of the opening, share of right labels, plain and blurred."""
    result: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        result.setdefault(name, []).append(value)

    for number in range(max(clips, still_combinations)):
        mood, light = EXPRESSIONS[number % len(EXPRESSIONS)], LIGHTS[number // len(EXPRESSIONS) % len(LIGHTS)]
        count = frames if number < clips else 6
        renderer = AvatarRenderer([sample_appearance(number, "test")], cache=True)
        mouth = fake_mouth(frames, 900_000 + number)[-count:]
        play = performance_from_mouth(mouth, expression_weights(mood, count), seed=number, ramp_frames=1)
        pictures = to_uint8(renderer.render_clip(0, play, light_weights(light, count))).numpy()
        video = compressed(pictures)
        blurry = measures.gaussian_blur(video, 1.5)
        for kind, shown in (("", video), (" blurred", blurry)):
            note(f"expression right{kind}", float(measures.expression(shown)[0] == mood))
            note(f"light right{kind}", float(measures.light(shown)[0] == light))
            if number < clips:
                truth, seen = mouth[:, 0].double().numpy(), measures.mouth_opening(shown)
                note(f"opening r{kind}", float(np.corrcoef(truth, seen)[0, 1]))
                note(f"opening slope{kind}", float(np.polyfit(truth, seen, 1)[0]))
                note(f"opening offset{kind}", float(np.polyfit(truth, seen, 1)[1]))
    figures = {}
    for name, values in sorted(result.items()):
        figures[name] = float(np.mean(values))
        if name.startswith("opening"):
            figures[f"{name}, least"], figures[f"{name}, most"] = float(np.min(values)), float(np.max(values))
    return figures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avatars", type=int, default=400)
    parser.add_argument("--frames", type=int, default=16, help="drawn frames per avatar")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clips", type=int, default=20, help="unseen clips of 100 frames for the check")
    parser.add_argument("--combinations", type=int, default=200, help="unseen combinations for the labels")
    parser.add_argument("--check-only", action="store_true")
    arguments = parser.parse_args()
    if not arguments.check_only:
        start = time.monotonic()
        drawn = draw(arguments.avatars, arguments.frames, arguments.seed)
        print(f"drew {len(drawn.faces) // 2} frames in {time.monotonic() - start:.0f} s", flush=True)
        note: dict[str, object] = {
            "made by": "python -m training.avatars.fit_measures",
            "seed": arguments.seed,
            "avatars": arguments.avatars,
            "frames": arguments.frames,
            "steps": arguments.steps,
        }
        for name, net in fit(drawn, arguments.steps, arguments.seed).items():
            path = nets.save_net(net, name, note)
            print(f"{path.name}: {path.stat().st_size / 1000:.1f} kB", flush=True)
    for name, value in check(arguments.clips, arguments.combinations).items():
        print(f"{name}: {value:.3f}", flush=True)


if __name__ == "__main__":
    main()
