"""Tiny networks that read opening, expression and light from pixels. Fitted by ``fit_measures``, stored as JSON.

They see only a neighbourhood of what they judge, in units of the clip's own skin colour, so that they carry over to
faces, lights and blur they were not fitted on.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.avatars.labels import EXPRESSIONS, LIGHTS
from training.avatars.layers import HEIGHT, WIDTH
from training.avatars.shapes import MIRROR_X

FOLDER: Final = Path(__file__).parent / "fitted"
MOUTH_ROWS: Final = (138, 218)
MOUTH_COLUMNS: Final = tuple(int(MIRROR_X) + offset for offset in range(-20, 21, 4))
FACE: Final = (120, 56, 264, 216)
EYES: Final = (136, 92, 248, 140)
CHEEKS: Final = ((142, 147, 152, 157), (232, 147, 242, 157))


class GapNet(nn.Module):
    """Colours of one picture column to the probability that each row lies between the lips."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(6, 12, 5, padding=2),
            nn.GELU(),
            nn.Conv1d(12, 14, 5, padding=4, dilation=2),
            nn.GELU(),
            nn.Conv1d(14, 14, 5, padding=8, dilation=4),
            nn.GELU(),
            nn.Conv1d(14, 1, 5, padding=2),
        )

    def forward(self, columns: Tensor) -> Tensor:
        """Columns [N, 6, rows] to logits [N, rows]."""
        result: Tensor = self.layers(columns)
        return result[:, 0]


class ExpressionNet(nn.Module):
    """Face at half resolution to expression logits."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Conv2d(8, 10, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(10, 12, 3, stride=2, padding=1),
            nn.GELU(),
            nn.AvgPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(12 * 5 * 5, len(EXPRESSIONS)),
        )

    def forward(self, faces: Tensor) -> Tensor:
        """Faces [N, 3, 80, 72] to logits [N, 5]."""
        result: Tensor = self.layers(faces)
        return result


class LightNet(nn.Module):
    """Coarse colours and the extremes of the eye region to light logits."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6 * 4 * 3 + 6, 24), nn.GELU(), nn.Linear(24, len(LIGHTS)))

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, 78] to logits [N, 4]."""
        result: Tensor = self.layers(4 * features - 2)
        return result


def skin_reference(frames: Tensor) -> Tensor:
    """Median cheek colour [3] of frames [T, 3, 256, 384] in [0, 1]."""
    patches = [frames[:, :, y0:y1, x0:x1].flatten(2) for x0, y0, x1, y1 in CHEEKS]
    return torch.cat(patches, 2).mean(2).median(0).values


def in_skin_units(pixels: Tensor, skin: Tensor) -> Tensor:
    """Pixels [N, 3, ...] relative to skin [3] or [N, 3]: zero is skin, and dim light is scaled up."""
    reference = skin.expand(pixels.shape[0], 3).reshape(-1, 3, *[1] * (pixels.ndim - 2))
    level = reference.mean(1, keepdim=True) * 0.7 + 0.08
    return (pixels - reference) / level


def mouth_columns(frames: Tensor, skin: Tensor) -> Tensor:
    """Network input [T * columns, 6, rows] of frames [T, 3, 256, 384]; every column is the mean of three."""
    top, bottom = MOUTH_ROWS
    columns = torch.stack([frames[:, :, top:bottom, x - 1 : x + 2].mean(3) for x in MOUTH_COLUMNS], 1).flatten(0, 1)
    reference = skin.expand(frames.shape[0], 3).repeat_interleave(len(MOUTH_COLUMNS), 0)
    relative = in_skin_units(columns, reference)
    return torch.cat([relative, reference[:, :, None].expand(-1, -1, bottom - top)], 1)


def face_input(frames: Tensor, skin: Tensor) -> Tensor:
    """Network input [T, 3, 80, 72] of frames [T, 3, 256, 384]."""
    x0, y0, x1, y1 = FACE
    return in_skin_units(F.avg_pool2d(frames[:, :, y0:y1, x0:x1], 2), skin).clamp(-3, 3)


def light_input(frames: Tensor) -> Tensor:
    """Network input [T, 78] of frames [T, 3, 256, 384]."""
    x0, y0, x1, y1 = EYES
    eyes = F.avg_pool2d(frames[:, :, y0:y1, x0:x1], 2).flatten(2)
    coarse = F.adaptive_avg_pool2d(frames, (4, 6)).flatten(1)
    return torch.cat([coarse, eyes.amax(2), eyes.amin(2)], 1)


def resized(frames: Tensor) -> Tensor:
    """Frames [T, 3, h, w] at the canonical size."""
    if frames.shape[-2:] == (HEIGHT, WIDTH):
        return frames
    return F.interpolate(frames, (HEIGHT, WIDTH), mode="area")


def save_net(net: nn.Module, name: str, note: dict[str, object]) -> Path:
    """Write a network's weights (four digits) to ``fitted/NAME.json`` with a note on how it was made."""
    state = {
        key: {"shape": list(value.shape), "values": [float(f"{v:.4g}") for v in value.flatten().tolist()]}
        for key, value in net.state_dict().items()
    }
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps({"note": note, "state": state}, separators=(",", ":")) + "\n")
    return path


def _loaded(net: nn.Module, name: str) -> nn.Module:
    state = json.loads((FOLDER / f"{name}.json").read_text())["state"]
    net.load_state_dict({key: torch.tensor(item["values"]).reshape(item["shape"]) for key, item in state.items()})
    return net.eval()


@cache
def gap_net() -> nn.Module:
    """The fitted lip-gap network."""
    return _loaded(GapNet(), "gap")


@cache
def expression_net() -> nn.Module:
    """The fitted expression network."""
    return _loaded(ExpressionNet(), "expression")


@cache
def light_net() -> nn.Module:
    """The fitted light network."""
    return _loaded(LightNet(), "light")
