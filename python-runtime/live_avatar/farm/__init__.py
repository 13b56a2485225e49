"""The jobs of a batch shared out among workers: processes of this machine, or actors of a Ray cluster."""
