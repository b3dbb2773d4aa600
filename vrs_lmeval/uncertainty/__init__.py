"""Values of all questions -> errors, intervals and tests, clustered by image."""
