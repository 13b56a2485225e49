"""Check the engine against a folder of golden data: ``python -m live_avatar.verify --golden DIR``."""
