"""Every registered exporter through the conformance suite."""

from __future__ import annotations

from inr.exporters import EXPORTERS
from inr.fitting import Fit
from inr.signals.analytic import demo
from inr.testing import ExporterTests
from inr.workflows.fit import fit

ENGINES = ("nvdb", "npy", "vti", "usda", "mjcf", "image3d")
OTHERS = (*ENGINES, "html", "mesh", "tcnn")
TestEveryExporter = ExporterTests.of(*(name for name in EXPORTERS if name not in OTHERS))


class TestMesh(ExporterTests):
    documents = ({"type": "mesh", "resolution": 16}, *({"type": name, "voxel": 0.15} for name in ENGINES))

    def fit(self) -> Fit:
        return fit(demo("sphere"), {"type": "siren", "width": 16, "depth": 2}, {"steps": 60})


class TestPage(ExporterTests):
    documents = ("html",)

    def fit(self) -> Fit:
        encoding = {"type": "hash_grid", "levels": 2, "log2_table": 8, "finest": [16]}
        return fit(demo("zone-plate"), {"type": "hash_grid", "encoding": encoding, "width": 16}, {"steps": 3})


class TestTcnn(TestPage):
    documents = ("tcnn",)
