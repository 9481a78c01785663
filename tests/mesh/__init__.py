"""Tests of inr.mesh."""
