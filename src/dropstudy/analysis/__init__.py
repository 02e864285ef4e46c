"""From what was recorded to what may be claimed."""
