"""Meshes: level set extraction, projection onto the level set, files, and rendering."""

from inr.mesh.check import MeshCheck, check_mesh
from inr.mesh.extract import MAX_RESOLUTION, Mesh, MeshResult, extract_mesh
from inr.mesh.files import FORMATS, save_mesh
from inr.mesh.fitted_surface import colour_at, coloured, mesh_of_fit
from inr.mesh.methods import METHODS
from inr.mesh.picture import picture
from inr.mesh.simplify import simplify
from inr.mesh.texture import textured

__all__ = [
    "FORMATS",
    "MAX_RESOLUTION",
    "METHODS",
    "Mesh",
    "MeshCheck",
    "MeshResult",
    "check_mesh",
    "colour_at",
    "coloured",
    "extract_mesh",
    "mesh_of_fit",
    "picture",
    "save_mesh",
    "simplify",
    "textured",
]
