"""One fit: the loop and its steps, what is kept of each epoch; classifiers of pixels beside networks."""
