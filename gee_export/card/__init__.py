"""What a patch dataset holds and whether it can be trusted: `isamap inspect`."""
