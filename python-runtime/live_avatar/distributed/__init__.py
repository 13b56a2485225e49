"""One take on several cards: cuts of the work, what travels between ranks, who leads, what happens when one is lost."""
