"""How an image is cut into windows, strips and pages."""
