"""The demo model's own tokenizer: a Unigram model of about 4000 pieces in the layout of ``google/umt5-xxl``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from training.speech import words
from training.text.prompts import random_prompt

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
SPECIAL = (PAD, END, UNKNOWN)
BYTES = tuple(f"<0x{value:02X}>" for value in range(256))
VOCABULARY = 4096
"""Upper limit; pieces of more than ``MAX_HAN`` Chinese characters are taken out after training."""
MAX_HAN = 2
"""Longer pieces would be whole phrases of the templates, and a new phrase of known words would be unknown."""
_CONFIG = {
    "backend": "tokenizers",
    "eos_token": END,
    "model_max_length": 1000000000000000019884624838656,
    "pad_token": PAD,
    "tokenizer_class": "TokenizersBackend",
    "unk_token": UNKNOWN,
}


def _han_count(piece: str) -> int:
    return sum("\u4e00" <= character <= "\u9fff" for character in piece)


def _texts(count: int, seed: int) -> Iterator[str]:
    for index in range(count):
        yield random_prompt(seed * 1_000_003 + index, "train").text
    for group in (words.NOUNS, words.VERBS, words.ADJECTIVES, words.ADVERBS, words.PLACES, words.PEOPLE):
        for word in group:
            # Ordinary words need pieces of their own although no prompt template uses them.
            yield from (f"the {word}", word, f"a {word}, {word}")
    for part in words.MANDARIN:
        yield from part * 3


def train_tokenizer(count: int = 20_000, seed: int = 1, vocabulary: int = VOCABULARY) -> Tokenizer:
    """A tokenizer trained on ``count`` generated prompts and the word lists.

    Ids: <pad> 0, </s> 1, <unk> 2, then the 256 bytes, so that no character is ever lost, then the pieces.
    """
    tokenizer = Tokenizer(models.Unigram())
    _set_pipeline(tokenizer)
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary - len(BYTES),
        special_tokens=list(SPECIAL),
        unk_token=UNKNOWN,
        max_piece_length=12,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(count, seed), trainer)
    pieces = [
        (piece, score)
        for piece, score in json.loads(tokenizer.to_str())["model"]["vocab"]
        if piece not in SPECIAL and _han_count(piece) <= MAX_HAN
    ]
    lowest = min(score for _, score in pieces) - 10.0
    vocab = [(piece, 0.0) for piece in SPECIAL] + [(piece, lowest) for piece in BYTES] + pieces
    complete = Tokenizer(models.Unigram(vocab, unk_id=SPECIAL.index(UNKNOWN), byte_fallback=True))
    complete.add_special_tokens(list(SPECIAL))
    _set_pipeline(complete)
    return complete


def _set_pipeline(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="always")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, SPECIAL.index(END))]
    )


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json`` as ``AutoTokenizer`` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(json.dumps(_CONFIG, indent=2) + "\n", encoding="utf-8")
