"""Meshes: extraction of a field's level set, projection onto it, files, and a picture."""

from inr.mesh.extract import MAX_RESOLUTION, Mesh, MeshResult, extract_mesh
from inr.mesh.files import FORMATS, save_mesh
from inr.mesh.picture import picture

__all__ = ["FORMATS", "MAX_RESOLUTION", "Mesh", "MeshResult", "extract_mesh", "picture", "save_mesh"]
