"""Hot loops: arrays and scalars in, arrays out. Nothing here imports the rest of archsim."""
