"""Models around a model: every N-th frame, the best of a few, events instead of frames."""
