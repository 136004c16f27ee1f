"""What a map needs of a trained network, as a folder that is whole or not there."""
