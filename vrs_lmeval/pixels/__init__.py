"""Images and perturbations -> pixel values by the compiled op; the one room that imports it."""
