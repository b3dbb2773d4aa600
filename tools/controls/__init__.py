"""Trains the two control models under `controls/`; nothing here is installed."""
