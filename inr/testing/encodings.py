"""What every encoding must do."""

from __future__ import annotations

import copy
import json

import torch

from inr.core.domain import Spec
from inr.encodings import Encoding, EncodingConfig
from inr.testing._suite import (
    Document,
    Suite,
    assert_near,
    assert_same_bytes,
    assert_same_state,
    central_difference,
    config_of,
    points,
    seeded,
)


class EncodingTests(Suite):
    """Encodings x [*B, D] -> e [*B, d_out], in D dimensions (2 unless `d_in` is overridden)."""

    d_in = 2

    def make(self, document: Document, seed: int = 0) -> Encoding:
        spec = Spec("array", self.d_in, 3, (24,) * self.d_in)
        return config_of(EncodingConfig, document).resolve(spec).build(self.d_in, seeded(seed))

    def test_shapes_for_any_batch_dimensions(self, document: Document) -> None:
        encoding = self.make(document)
        x = points(4, 5, self.d_in).float()
        e = encoding(x)
        assert e.shape == (4, 5, encoding.d_out)
        assert e.dtype == torch.float32
        assert_near(encoding(x[2, 3]), e[2, 3], 1e-4)
        assert encoding(x[:0]).shape == (0, 5, encoding.d_out)

    def test_points_are_encoded_independently(self, document: Document) -> None:
        encoding = self.make(document).double()
        x = points(101, self.d_in)
        order = torch.randperm(101, generator=seeded(1))
        assert_near(encoding(x[order]), encoding(x)[order], 1e-12)

    def test_a_seed_decides_it_and_global_state_stays(self, document: Document) -> None:
        before = torch.get_rng_state()
        assert_same_state(self.make(document, 5), self.make(document, 5))
        assert_same_bytes(torch.get_rng_state(), before)

    def test_it_does_beyond_the_box_what_it_says(self, document: Document) -> None:
        encoding = self.make(document).double()
        x = points(50, self.d_in) * 3 - 1
        expected = {"clamp": x.clamp(0, 1), "wrap": x % 1.0, "extend": x}[encoding.boundary]
        assert_near(encoding(x), encoding(expected), 1e-9)

    def test_gradients_by_coordinates_are_differences(self, document: Document) -> None:
        encoding = self.make(document).double()
        x = points(40, self.d_in).requires_grad_()
        e = encoding(x)
        if not e.requires_grad:
            assert encoding.smoothness == 0
            return
        (found,) = torch.autograd.grad(e.sum(), x)
        assert_near(found, central_difference(encoding, x.detach(), 1e-8), 1e-4)

    def test_weighted_sums_are_products_with_the_weights(self, document: Document) -> None:
        encoding = self.make(document).double()
        x = points(33, self.d_in)
        weights = torch.randn(encoding.d_out, 3, generator=seeded(2), dtype=torch.float64)
        assert_near(encoding.weighted(x, weights), encoding(x) @ weights, 1e-9)

    def test_a_lipschitz_bound_holds(self, document: Document) -> None:
        encoding = self.make(document).double()
        a, b = points(200, self.d_in), points(200, self.d_in, seed=1)
        b[100:] = a[100:] + 1e-4 * (b[100:] - 0.5)
        slope = ((encoding(a) - encoding(b)).norm(dim=-1) / (a - b).norm(dim=-1)).max().detach()
        bound = encoding.lipschitz
        assert bound is None or float(slope) <= bound * (1 + 1e-6)

    def test_copies_and_loaded_states_are_equal(self, document: Document) -> None:
        encoding, other = self.make(document), self.make(document, 9)
        x = points(9, self.d_in).float()
        assert_same_bytes(copy.deepcopy(encoding)(x), encoding(x))
        other.load_state_dict(encoding.state_dict())
        assert_same_bytes(other(x), encoding(x))

    def test_settings_round_trip(self, document: Document) -> None:
        config = config_of(EncodingConfig, document)
        assert config_of(EncodingConfig, json.loads(json.dumps(config.to_json()))) == config
