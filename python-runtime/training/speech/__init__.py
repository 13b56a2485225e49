"""Synthetic speech with exact phoneme times, mouth targets and the small speech encoder."""
