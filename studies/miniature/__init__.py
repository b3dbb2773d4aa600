"""Synthetic against authentic training pairs, in miniature: trains small models on VQA-RAD; not part of the package."""
