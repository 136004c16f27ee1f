"""What a map needs of a trained network, as a folder that is complete or absent."""
