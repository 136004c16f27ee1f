"""Maps of large areas as tiles that any machine may make, in any order, with the same bytes."""
