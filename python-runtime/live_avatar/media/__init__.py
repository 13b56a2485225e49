"""Sound and video on disk: decoding audio, writing segments, playlists, joining, and whole-file writes."""
