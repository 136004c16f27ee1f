"""What is done with probabilities and classes after the network."""
