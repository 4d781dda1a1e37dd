"""A stacked image sensor that computes: noise of its images, energy of its pixels, and policies against its heat."""
