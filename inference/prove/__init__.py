"""One run that turns what isamap assumes of a server into recorded facts: `isamap prove`."""
