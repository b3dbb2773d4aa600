"""Prompts with images -> a Hugging Face model's answers, each image prefix computed once."""
