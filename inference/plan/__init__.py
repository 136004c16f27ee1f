"""What a map of an area would take, before anything is asked for: tiles, requests, bytes, hours, computing."""
