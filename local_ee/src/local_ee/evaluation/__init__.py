"""Expression graphs of the `ee` client, evaluated by pulling windows of pixels."""
