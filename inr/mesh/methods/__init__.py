"""Ways to triangulate the lattice cells that a level set crosses: one file per method."""

from inr.mesh.methods._method import METHODS as METHODS
from inr.mesh.methods._method import Triangulation as Triangulation
