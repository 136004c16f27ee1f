"""Learning from tables of numbers: classifiers, clusterers and what they learn, without images or features."""
