"""Entropy coding: integer tensors to bytes and back, by models of their distribution and a range coder."""
