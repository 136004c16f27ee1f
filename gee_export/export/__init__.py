"""An export: the request, its plan of server requests, and the run, which can be killed and resumed at any moment."""
