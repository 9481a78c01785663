"""Forecasts of training: linearised gradient descent, Adam by band, and runs followed in a Krylov space."""
