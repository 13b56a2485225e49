"""Model folders of this computer: filled from the hub or another folder, whole or not at all, mended file by file."""
