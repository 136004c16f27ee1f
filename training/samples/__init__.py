"""Datasets as networks read them: caches, batches, targets, augmentation."""
