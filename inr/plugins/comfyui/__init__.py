"""Nodes for ComfyUI: load an `.inrz` picture, save one. Link this folder into ComfyUI's `custom_nodes`.

    ln -s SITE-PACKAGES/inr/plugins/comfyui ComfyUI/custom_nodes/inr

Pictures are float tensors [B, rows, columns, C] in [0, 1], as ComfyUI has them; alpha becomes a mask, 1 where the
picture is transparent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inr.codec import compress, decompress
from inr.core.errors import UsageError
from inr.signals.image import Image

CATEGORY = "inr"


class LoadInrz:
    """A picture and its mask from a file."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "execute"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  the name is ComfyUI's
        return {"required": {"path": ("STRING", {"default": "photo.inrz"})}}

    @classmethod
    def IS_CHANGED(cls, path: str) -> str:  # noqa: N802  the name is ComfyUI's
        """Differs once the file is another one; ComfyUI keeps what a node gave while this is the same."""
        try:
            found = Path(path).stat()
        except OSError:
            return ""
        return f"{found.st_mtime_ns} {found.st_size}"

    def execute(self, path: str) -> tuple[Tensor, Tensor]:
        """Raises FormatError for a damaged file, UsageError for one that holds no picture."""
        decoded = decompress(Path(path))
        if not decoded.header.codec_kind.is_picture:
            raise UsageError(f"{path!r} holds a signal of kind {decoded.header.kind!r}, expected a picture")
        values = torch.from_numpy(decoded.values()).clamp(0, 1)
        channels = values.shape[-1]
        colour = values[..., :3] if channels >= 3 else values[..., :1].expand(-1, -1, 3)
        alpha = values[..., -1] if channels in (2, 4) else torch.ones_like(values[..., 0])
        return colour[None].contiguous(), 1 - alpha[None]


class SaveInrz:
    """The pictures of a batch as files: NAME.inrz, or NAME-0.inrz, NAME-1.inrz ... for several."""

    CATEGORY = CATEGORY
    RETURN_TYPES = ("STRING",)
    FUNCTION = "execute"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  the name is ComfyUI's
        rate = {"default": 0.5, "min": 0.01, "max": 8.0, "step": 0.01}
        effort = {"default": 3, "min": 1, "max": 9}
        return {
            "required": {
                "images": ("IMAGE",),
                "name": ("STRING", {"default": "picture"}),
                "bits_per_pixel": ("FLOAT", rate),
                "effort": ("INT", effort),
            }
        }

    def execute(self, images: Tensor, name: str, bits_per_pixel: float, effort: int) -> tuple[str]:
        """Returns the names, one a line. Raises UsageError for a file that exists."""
        pixels = (255 * images.detach().cpu().clamp(0, 1)).round().to(torch.uint8).numpy()
        written = []
        for number, picture in enumerate(pixels):
            path = Path(f"{name}.inrz" if len(pixels) == 1 else f"{name}-{number}.inrz")
            compress(Image.of_pixels(picture), path, bpp=bits_per_pixel, effort=effort)
            written.append(str(path))
        return ("\n".join(written),)


NODE_CLASS_MAPPINGS = {"InrLoad": LoadInrz, "InrSave": SaveInrz}
NODE_DISPLAY_NAME_MAPPINGS = {"InrLoad": "Load .inrz picture", "InrSave": "Save .inrz picture"}
