"""A benchmark's rows as published -> samples with stable ids, images on demand, and what needs no model."""
