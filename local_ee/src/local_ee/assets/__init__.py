"""What is written: image assets, and the tasks that make them (exports, ingestion)."""
