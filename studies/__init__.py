"""Studies that use the package as its users do; nothing here is installed."""
