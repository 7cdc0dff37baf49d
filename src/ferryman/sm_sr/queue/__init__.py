"""The command queue of each eUICC: what waits for it, in which order, and what became of it."""
