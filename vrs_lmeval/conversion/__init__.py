"""Checkpoints of LLaVA's original code -> folders that transformers loads."""
