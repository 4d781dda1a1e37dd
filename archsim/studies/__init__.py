"""Studies: many points of a design space, kept in a folder that survives anything, and views of them."""
