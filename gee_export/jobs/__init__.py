"""An export: what was asked, which patches and requests that means, and the run that can be killed."""
