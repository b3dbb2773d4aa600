"""Texts and likelihoods -> answers, or the reason why there is none, and their scores."""
