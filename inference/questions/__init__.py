"""What people should look at next: pixels of a dataset on which networks, or network and label, disagree most."""
