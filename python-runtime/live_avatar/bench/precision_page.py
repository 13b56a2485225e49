"""The page on precision, made from its figures. No torch."""

from __future__ import annotations

from typing import Any

_STANDARD = "fp8 weights and cache"
_COLUMNS = (
    "Form", "Velocity", "Take", "Velocity, outliers", "Take, outliers",
    "Demo PSNR (worst)", "SSIM", "Sharpness", "Lip sync",
)  # fmt: skip
# A remedy that takes away less than this share of the error is not worth its complication.
_WORTH = 0.2


def page(report: dict[str, Any]) -> str:
    """Markdown."""
    drawn, forms = report["drawn"], report["forms"]
    sizes = f"{drawn['layers']} layers of width {drawn['dim']} at {drawn['size'][0]}x{drawn['size'][1]}"
    text = f"""# Precision

Made by `python -m live_avatar.bench.precision --output docs/precision.md`; do not edit by hand.
Measured on {report["device"]}, torch {report["torch"]}.

Every form of the flat pass against the plain network in float32, same inputs and noise. What a form keeps in e4m3
has a scale for each row of activations, each output channel of a weight, and each layer of cached values.

- **Drawn weights**: {sizes}, random, without outliers and with every 256th channel behind the
  norms 30 times as large as the rest. Relative error (L2) of the first pass's velocity, and of the latents of
  {drawn["blocks"]} blocks, in which errors have come back through the cache. How large the outliers of the published
  weights are is not known here.
- **Demo model**: takes of {report["seconds"]:g} s at 384x256 ({report["takes"]} in all). PSNR and SSIM against
  the pictures of float32, sharpness as a share of theirs, lip sync as correlation of the mouth's opening, measured in
  the pixels, with the true one.
"""
    lines = [*text.splitlines(), "", f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    lines += [_row(name, values) for name, values in forms.items()]
    lines += ["", "A dash: it does not run on this machine, or was not measured.", "", *_verdicts(forms), ""]
    return "\n".join(lines)


def _row(name: str, values: dict[str, Any]) -> str:
    cells = [name]
    for key in ("outliers 1", "outliers 30"):
        errors = values.get(key)
        cells += ["-", "-"] if errors is None else [f"{error:.4f}" for error in errors]
    demo = values.get("demo")
    if demo is None:
        cells += ["-"] * 4
    else:
        sync = "-" if demo["lip_sync"] is None else f"{demo['lip_sync']:.4f}"
        exact = demo["psnr"] >= 100
        ratio = "same" if exact else f"{demo['psnr']:.1f} dB ({demo['worst_psnr']:.1f})"
        cells += [ratio, f"{demo['ssim']:.4f}", f"{demo['sharpness']:.1%}", sync]
    return f"| {' | '.join(cells)} |"


def _verdicts(forms: dict[str, dict[str, Any]]) -> list[str]:
    """What the figures say of the remedies, in words."""
    found = []
    for name in ("fp8 smoothed", "fp8, 1+1 layers bf16", "fp8, 2+2 layers bf16"):
        gains = _gains(forms, name)
        if not gains:
            continue
        words = ", ".join(f"{what} by {gain:+.0%}" for what, gain in gains)
        worth = all(gain <= -_WORTH for _, gain in gains)
        verdict = "pays" if worth else "does not pay"
        found.append(f"- **{name}** changes the error against *{_STANDARD}*: {words}. It {verdict}.")
    return ["## Do remedies pay?", "", *found] if found else []


def _gains(forms: dict[str, dict[str, Any]], name: str) -> list[tuple[str, float]]:
    """Change of the error of takes, as a share of the standard form's."""
    gains = []
    for key, what in (("outliers 1", "without outliers"), ("outliers 30", "with outliers")):
        ours, theirs = forms.get(name, {}).get(key), forms.get(_STANDARD, {}).get(key)
        if ours and theirs:
            gains.append((what, ours[1] / theirs[1] - 1))
    demo, standard = forms.get(name, {}).get("demo"), forms.get(_STANDARD, {}).get("demo")
    if demo and standard:
        # From decibels to the size of the error.
        gains.append(("on the demo model", 10 ** ((standard["psnr"] - demo["psnr"]) / 20) - 1))
    return gains
