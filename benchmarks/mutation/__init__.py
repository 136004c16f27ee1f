"""How sharp the tests are: small changes of the program, each against the tests nearest to it."""
