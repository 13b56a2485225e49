"""``live-avatar check``: whether a portrait, a recording and a prompt are good material."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from live_avatar.cli.arguments import make_parser, with_underscores
from live_avatar.cli.console import Console
from live_avatar.cli.flags import DEFAULT_SIZE, add_console_flags
from live_avatar.cli.prompts import read_prompt

if TYPE_CHECKING:
    from live_avatar.checks import Finding
    from live_avatar.checks.report import AudioReport, ImageReport

_MARKS = {"ok": "ok", "note": "note", "warning": "WARN"}


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns 0 whatever was found, since none of it stops a render.

    Raises:
        UserError: material that cannot be used at all.
    """
    parser = make_parser(
        "check",
        "Says whether a portrait, a recording and a prompt are good material for a video.",
        "--image anna.png --audio anna.wav --prompt @anna.txt",
    )
    parser.add_argument("--image", metavar="FILE", help="portrait")
    parser.add_argument("--audio", metavar="FILE", action="append", help="recording; may be given several times")
    parser.add_argument("--prompt", metavar="TEXT", help="text, or @FILE that holds it")
    parser.add_argument(
        "--size", default=DEFAULT_SIZE, metavar="W*H", help=f"size of the video (default {DEFAULT_SIZE})"
    )
    add_console_flags(parser)
    options = parser.parse_args(with_underscores(arguments))
    if options.image is None and options.audio is None and options.prompt is None:
        parser.error("give --image, --audio or --prompt")

    from live_avatar.checks.report import report_audio, report_image, report_prompt
    from live_avatar.geometry import parse_size

    size = parse_size(options.size)
    with Console.of(options) as console:
        if options.image is not None:
            path = Path(options.image).expanduser()
            image = report_image(path, size)
            console.result(
                "\n".join(_image_lines(path, image)), {"kind": "image", "path": str(path), **image.as_dict()}
            )
        for name in options.audio or ():
            path = Path(name).expanduser()
            audio = report_audio(path)
            console.result(
                "\n".join(_audio_lines(path, audio)), {"kind": "audio", "path": str(path), **audio.as_dict()}
            )
        if options.prompt is not None:
            findings = report_prompt(read_prompt(options.prompt))
            record = {"kind": "prompt", "findings": [finding.as_dict() for finding in findings]}
            console.result("\n".join(["Prompt", *_finding_lines(findings)]), record)
    return 0


def _image_lines(path: Path, image: ImageReport) -> list[str]:
    crop = image.crop
    shown = "all of it" if (crop.width, crop.height) == (image.width, image.height) else _rectangle(crop.as_dict())
    lines = [f"{path}: {image.width}x{image.height}; the video is {image.video[0]}x{image.video[1]} and shows {shown}"]
    for face in image.faces or ():
        lines.append(f"     face at {_rectangle(face.box.as_dict())}, score {face.score:.2f}")
    return lines + _finding_lines(image.findings)


def _audio_lines(path: Path, audio: AudioReport) -> list[str]:
    facts = [
        "length unknown" if audio.seconds is None else f"{audio.seconds:.2f} s",
        f"{audio.sample_rate} Hz",
        f"{audio.channels} channel{'' if audio.channels == 1 else 's'}",
        audio.codec,
        "silent" if audio.loudness is None else f"{audio.loudness:.1f} LUFS",
    ]
    return [f"{path}: {', '.join(facts)}", *_finding_lines(audio.findings)]


def _finding_lines(findings: Iterable[Finding]) -> list[str]:
    return [f"{_MARKS[finding.severity]:4} {finding.text} [{finding.code}]" for finding in findings]


def _rectangle(box: dict[str, float]) -> str:
    return f"{box['width']:.0f}x{box['height']:.0f} from ({box['x']:.0f}, {box['y']:.0f}) on"
