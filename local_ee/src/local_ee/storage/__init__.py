"""Cloud Storage on the loopback address: buckets, objects with preconditions, uploads."""
