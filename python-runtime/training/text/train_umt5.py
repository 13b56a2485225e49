"""Train the demo model's tokenizer and text encoder on generated prompts; about eight minutes on one CPU core.

``python -m training.text.train_umt5 --out ../resources/models/demo``
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import UMT5EncoderModel

from training.avatars.labels import EXPRESSIONS, LIGHTS
from training.text.prompts import LANGUAGES, Language, Prompt, random_prompt, sample_prompt
from training.text.text_model import LabelHeads, export_encoder, import_encoder, make_encoder
from training.text.tokenizer import BYTES, SPECIAL, save_tokenizer, train_tokenizer

HEADS_FILE = Path(__file__).with_name("heads.safetensors")
MAX_TOKENS = 128
_PAD, _END = 0, 1
_FIRST_PIECE = len(SPECIAL) + len(BYTES)


@dataclass(frozen=True)
class Batch:
    """ids and mask int64 [B,L]; labels int64 [B]."""

    ids: Tensor
    mask: Tensor
    expression: Tensor
    light: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(*(value.to(device) for value in (self.ids, self.mask, self.expression, self.light)))


def make_batch(tokenizer: Tokenizer, prompts: Sequence[Prompt], padding: int = 0) -> Batch:
    """Tokenised prompts, right padded to the longest one plus ``padding``."""
    encoded = [tokenizer.encode(prompt.text).ids for prompt in prompts]
    encoded = [ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], _END] for ids in encoded]
    length = max(len(ids) for ids in encoded) + padding
    ids = torch.tensor([row + [_PAD] * (length - len(row)) for row in encoded])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in encoded])
    expression = torch.tensor([EXPRESSIONS.index(prompt.expression) for prompt in prompts])
    light = torch.tensor([LIGHTS.index(prompt.light) for prompt in prompts])
    return Batch(ids, mask, expression, light)


def corrupt(batch: Batch, vocabulary: int, generator: torch.Generator, share: float = 0.04) -> Batch:
    """A few tokens replaced by random pieces: unknown words must not disturb the meaning of known ones."""
    noise = torch.rand(batch.ids.shape, generator=generator) < share
    noise &= (batch.mask == 1) & (batch.ids != _END)
    random_ids = torch.randint(_FIRST_PIECE, vocabulary, batch.ids.shape, generator=generator)
    return replace(batch, ids=torch.where(noise, random_ids, batch.ids))


def readings(states: Tensor, mask: Tensor, generator: torch.Generator, tokens: int = 4) -> Tensor:
    """What the heads read: the mean of all states, the last state and a few random ones, [B, 2 + tokens, width].

    The video model attends to single token states, so each of them must carry the labels.
    """
    weights = mask[..., None].to(states.dtype)
    mean = (states * weights).sum(1) / weights.sum(1)
    lengths = mask.sum(1)
    rows = torch.arange(states.shape[0], device=states.device)
    single = [states[rows, lengths - 1]]
    for _ in range(tokens):
        at = (torch.rand(states.shape[0], generator=generator).to(states.device) * lengths).long()
        single.append(states[rows, at])
    return torch.stack([mean, *single], dim=1)


def prompt_batches(batch_size: int, first_seed: int, shuffle: random.Random) -> list[list[Prompt]]:
    """Eight batches of training prompts; prompts of similar length share a batch, which halves the padding."""
    prompts = [random_prompt(first_seed + index, "train") for index in range(8 * batch_size)]
    prompts.sort(key=lambda prompt: len(prompt.text) * (3 if prompt.language == "zh" else 1))
    batches = [prompts[at : at + batch_size] for at in range(0, len(prompts), batch_size)]
    shuffle.shuffle(batches)
    return batches


def _loss(model: UMT5EncoderModel, heads: LabelHeads, batch: Batch, generator: torch.Generator) -> Tensor:
    states = model(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state
    read = readings(states, batch.mask, generator)
    expression, light = heads(read)
    count = read.shape[1]
    return cross_entropy(
        expression.flatten(0, 1), batch.expression.repeat_interleave(count), label_smoothing=0.02
    ) + cross_entropy(light.flatten(0, 1), batch.light.repeat_interleave(count), label_smoothing=0.02)


def balanced_prompts(count: int, seed: int, split: str, language: Language) -> list[Prompt]:
    """Prompts with every pair of labels equally often."""
    prompts = []
    for index in range(count):
        expression = EXPRESSIONS[index % len(EXPRESSIONS)]
        light = LIGHTS[index // len(EXPRESSIONS) % len(LIGHTS)]
        text = sample_prompt(expression, light, seed + index, language, "test" if split == "test" else "train")
        prompts.append(Prompt(text, expression, light, language))
    return prompts


@torch.no_grad()
def evaluate(
    model: UMT5EncoderModel, heads: LabelHeads, tokenizer: Tokenizer, prompts: Sequence[Prompt]
) -> tuple[dict[str, float], list[Prompt]]:
    """Shares of right labels: by the mean state, by the last state, by any single state; and the prompts missed."""
    model.eval()
    right = {"expression": 0, "light": 0, "last": 0, "token": 0.0}
    missed: list[Prompt] = []
    for start in range(0, len(prompts), 100):
        part = prompts[start : start + 100]
        batch = make_batch(tokenizer, part)
        states = model(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state.float()
        weights = batch.mask[..., None].float()
        expression, light = heads((states * weights).sum(1) / weights.sum(1))
        good_expression = expression.argmax(-1) == batch.expression
        good_light = light.argmax(-1) == batch.light
        every_expression, every_light = heads(states)
        every = (every_expression.argmax(-1) == batch.expression[:, None]) & (
            every_light.argmax(-1) == batch.light[:, None]
        )
        last = every[torch.arange(len(part)), batch.mask.sum(1) - 1]
        right["expression"] += int(good_expression.sum())
        right["light"] += int(good_light.sum())
        right["last"] += int(last.sum())
        right["token"] += float(((every * batch.mask).sum(1) / batch.mask.sum(1)).sum())
        missed += [prompt for prompt, good in zip(part, good_expression & good_light, strict=True) if not good]
    return {name: value / len(prompts) for name, value in right.items()}, missed


def train(
    tokenizer: Tokenizer, seconds: float, seed: int, device: torch.device, batch_size: int = 48
) -> tuple[UMT5EncoderModel, LabelHeads]:
    """Train for ``seconds`` of wall time (the learning rate follows the clock, so the end is always annealed)."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    vocabulary = tokenizer.get_vocab_size()
    model, heads = make_encoder(vocabulary).to(device), LabelHeads().to(device)
    parameters = [*model.parameters(), *heads.parameters()]
    embedding = list(model.shared.parameters())
    others = [p for p in parameters if p is not embedding[0]]
    # Each row of the embedding is seen rarely, so it needs larger steps than the matrices.
    peak_rates = (1.5e-2, 2.5e-3)
    optimizer = torch.optim.AdamW([{"params": embedding}, {"params": others}], betas=(0.9, 0.98), weight_decay=0.02)
    choose = random.Random(seed)
    model.train()
    start, iteration, next_seed = time.monotonic(), 0, 0
    waiting: list[list[Prompt]] = []
    while (progress := (time.monotonic() - start) / seconds) < 1.0:
        schedule = min(1.0, (iteration + 1) / 50) * (0.02 + 0.49 * (1 + math.cos(math.pi * progress)))
        for group, peak in zip(optimizer.param_groups, peak_rates, strict=True):
            group["lr"] = peak * schedule
        if not waiting:
            waiting = prompt_batches(batch_size, next_seed, choose)
            next_seed += 8 * batch_size
        batch = make_batch(tokenizer, waiting.pop(), padding=choose.choice((0, 0, 0, 7)))
        batch = corrupt(batch, vocabulary, generator).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            loss = _loss(model, heads, batch, generator)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if iteration % 100 == 0:
            print(f"{time.monotonic() - start:6.1f} s  iteration {iteration:5d}  loss {loss.item():.4f}", flush=True)
        iteration += 1
    return model.cpu().eval(), heads.cpu().eval()


def main() -> None:
    """Command line: train, write the published layout, test what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, required=True, help="model folder; receives google/umt5-xxl and the weights"
    )
    parser.add_argument("--heads", type=Path, default=HEADS_FILE, help="where the label heads go (used by tests only)")
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=48)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--test", type=int, default=1000, help="unseen prompts per language")
    arguments = parser.parse_args()

    tokenizer = train_tokenizer()
    save_tokenizer(tokenizer, arguments.out / "google" / "umt5-xxl")
    model, heads = train(
        tokenizer, arguments.seconds, arguments.seed, torch.device(arguments.device), arguments.batch_size
    )
    weights = arguments.out / "models_t5_umt5-xxl-enc-bf16.pth"
    export_encoder(model, weights)
    save_file({name: value.detach().clone() for name, value in heads.state_dict().items()}, arguments.heads)

    # Tested as it will be used: from the file, in bf16.
    written = import_encoder(torch.load(weights, weights_only=True)).to(torch.bfloat16)
    for language in LANGUAGES:
        prompts = balanced_prompts(arguments.test, 10_000, "test", language)
        scores, missed = evaluate(written, heads, tokenizer, prompts)
        print(language, {name: round(value, 4) for name, value in scores.items()})
        for prompt in missed[:8]:
            print("  missed:", prompt.expression, prompt.light, prompt.text)
    batch = make_batch(tokenizer, balanced_prompts(20, 0, "test", "en"))
    with torch.no_grad():
        states = written(input_ids=batch.ids, attention_mask=batch.mask).last_hidden_state.float()
    rms = states[batch.mask == 1].square().mean().sqrt().item()
    print(f"state rms {rms:.3f}, largest {states.abs().max().item():.2f}")


if __name__ == "__main__":
    main()
