"""Builds the embedded benchmark `tasks/vrs_sample/data` from public packages; nothing here is installed."""
