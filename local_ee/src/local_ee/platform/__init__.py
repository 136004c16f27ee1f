"""What differs between Linux, macOS and Windows: the only room that asks which system this is."""
