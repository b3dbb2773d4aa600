"""From finished harness runs to a comparison of models: `results` reads, `comparison` computes, `report` shows."""
