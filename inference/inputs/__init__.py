"""Where a map's pixels come from: composites, images and ground, checked."""
