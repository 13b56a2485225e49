"""How the demo model was made: generated data, losses and training loops."""
