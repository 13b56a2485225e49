"""Prompt texts with known labels, the tokenizer and the small text encoder of the demo model."""
