"""Causal video VAE with explicit streaming state (spec section 5).

Imports nothing: plans read ``config`` and the ``fast_*`` sizes without torch.
"""
