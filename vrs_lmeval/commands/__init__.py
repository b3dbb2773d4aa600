"""What the `vrs` command line runs besides demo and comparison."""
