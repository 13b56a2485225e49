"""Drawn talking avatars: appearance, performance, renderer, and measures that read them back from pixels."""
