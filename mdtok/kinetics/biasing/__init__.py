"""Biased simulations along collective variables, and the free energies that they give."""
