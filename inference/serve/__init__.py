"""isamap as a service: jobs by HTTP, tiles and values of maps, and a page (docs/service.md)."""
