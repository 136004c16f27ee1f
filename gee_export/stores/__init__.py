"""Where bytes lie: folders and Cloud Storage, whole or not at all."""
