"""A sample and a variant's name -> which image is shown, and how it is changed."""
