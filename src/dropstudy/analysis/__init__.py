"""Statistics and verdicts: claims that the recorded runs support."""
