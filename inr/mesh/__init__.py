"""Meshes: level set extraction, projection onto the level set, files, and rendering."""

from inr.mesh.check import MeshCheck, check_mesh
from inr.mesh.continued_distance import leaves_box
from inr.mesh.extract import MAX_RESOLUTION, Mesh, MeshResult, extract_mesh
from inr.mesh.files import FORMATS, save_mesh
from inr.mesh.fitted_surface import colour_at, coloured, large_mesh_of_fit, mesh_of_fit
from inr.mesh.large import FORMATS as LARGE_FORMATS
from inr.mesh.large import LEAST as LEAST_LARGE
from inr.mesh.large import LargeMesh, extract_large, save_large
from inr.mesh.methods import METHODS
from inr.mesh.picture import picture
from inr.mesh.simplify import simplify
from inr.mesh.texture import textured

__all__ = [
    "FORMATS",
    "LARGE_FORMATS",
    "LEAST_LARGE",
    "MAX_RESOLUTION",
    "METHODS",
    "LargeMesh",
    "Mesh",
    "MeshCheck",
    "MeshResult",
    "check_mesh",
    "colour_at",
    "coloured",
    "extract_large",
    "extract_mesh",
    "large_mesh_of_fit",
    "leaves_box",
    "mesh_of_fit",
    "picture",
    "save_large",
    "save_mesh",
    "simplify",
    "textured",
]
