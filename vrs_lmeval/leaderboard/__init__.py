"""Finished harness runs -> a comparison: `runs` reads, `comparison` computes, `verdict` concludes, `report` shows."""
