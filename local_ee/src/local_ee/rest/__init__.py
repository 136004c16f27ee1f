"""The HTTP side: one server, the routes of Earth Engine's REST API, the discovery document."""
