"""Maps as one HTML file: pixels, legend, areas and the code that draws them inside; no server, no network."""
