"""What every field must do, at small size."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inr.core.config import parse, settings_of
from inr.core.domain import Domain, Frame, Spec
from inr.core.errors import ConfigError, UnreadableError
from inr.fields import Field, FieldConfig
from inr.fitting import Fit, FitConfig, resolve
from inr.fitting.schedules.standard import Cosine
from inr.signals.array import Array
from inr.testing._suite import Document, Suite, assert_near, assert_same_bytes, config_of, points, seeded
from inr.workflows.fit import fit


def described(document: Document) -> dict[str, Any]:
    """A document as a table of settings."""
    return {"type": document} if isinstance(document, str) else dict(document)


class FieldTests(Suite):
    """Fields x [*B, D] -> [*B, C]: small enough to train in a second, see `documents`."""

    def make(self, document: Document, d_in: int = 2, d_out: int = 3, seed: int = 0) -> Field:
        spec = Spec("array", d_in, d_out, (24,) * d_in)
        return config_of(FieldConfig, document).resolve(spec).build(spec, seeded(seed))

    @pytest.mark.parametrize("d_in", [1, 2, 3])
    def test_shapes_types_and_any_batch_dimensions(self, document: Document, d_in: int) -> None:
        generator = seeded(1234)
        field = self.make(document, d_in=d_in)
        x = torch.rand(4, 5, d_in, generator=generator)
        y = field(x)
        assert y.shape == (4, 5, 3)
        assert y.dtype == torch.float32
        assert_near(field(x[2, 3]), y[2, 3], 1e-4)  # steep activations magnify float32 rounding
        assert field(x[:0]).shape == (0, 5, 3)

    def test_points_do_not_know_each_other(self, document: Document) -> None:
        generator = seeded(1234)
        field = self.make(document).double()
        x = torch.rand(101, 2, generator=generator, dtype=torch.float64)
        order = torch.randperm(101, generator=generator)
        y = field(x)
        assert_near(field(x[order]), y[order], 1e-12)
        assert_near(torch.cat([field(c) for c in torch.split(x, 7)]), y, 1e-12)

    def test_a_grid_of_coordinates_is_as_good_as_its_points(self, document: Document) -> None:
        generator = seeded(1234)
        field = self.make(document, d_in=3).double()
        axes = [torch.rand(n, generator=generator, dtype=torch.float64) for n in (3, 4, 2)]
        x = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        assert_near(field.on_grid(axes), field(x), 1e-9)

    def test_folding_changes_nothing_but_the_layers(self, document: Document) -> None:
        generator = seeded(1234)
        field = self.make(document)
        folded = field.fold()
        x = torch.rand(200, 2, generator=generator)
        assert_near(folded(x), field(x), 1e-5)
        again = parse(FieldConfig, json.loads(json.dumps(folded.config.to_json()))).build(
            Spec("array", 2, 3, (24, 24)), torch.Generator()
        )
        again.load_state_dict(folded.state_dict())
        assert_same_bytes(again(x), folded(x))

    def test_a_seed_decides_the_parameters_and_global_state_is_left_alone(self, document: Document) -> None:
        before = torch.get_rng_state()
        one, two, other = self.make(document, seed=5), self.make(document, seed=5), self.make(document, seed=6)
        assert_same_bytes(torch.get_rng_state(), before)
        for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
            assert_same_bytes(a, b)
        assert any(not torch.equal(a, other.state_dict()[name]) for name, a in one.state_dict().items())

    def test_coordinate_gradients_are_central_differences(self, document: Document) -> None:
        field = self.make(document).double().eval()
        x = points(40, 2).requires_grad_()
        (g,) = torch.autograd.grad(field(x).sum(), x, create_graph=True)
        h = 1e-8  # so small that hardly a kink of ReLU lies between
        with torch.no_grad():
            step = h * torch.eye(2, dtype=torch.float64)
            numeric = torch.stack([(field(x + s) - field(x - s)).sum(-1) / (2 * h) for s in step], dim=-1)
        assert_near(g, numeric, 1e-4)

    def test_second_derivatives_where_the_field_claims_them(self, document: Document) -> None:
        field = self.make(document).double()
        if field.smoothness < 2:
            pytest.skip(f"smooth to order {field.smoothness:g} only")
        x = points(20, 2).requires_grad_()

        def gradient(at: Tensor) -> Tensor:
            return torch.autograd.grad(field(at).sum(), at, create_graph=True)[0]

        (second,) = torch.autograd.grad(gradient(x)[:, 0].sum(), x)
        h = 1e-6
        step = torch.tensor([0.0, h], dtype=torch.float64)
        numeric = (gradient(x + step) - gradient(x - step))[:, 0] / (2 * h)
        assert_near(second[:, 1], numeric.detach(), 1e-4)

    def test_parameter_gradients_of_the_coordinate_gradient(self, document: Document) -> None:
        """What Eikonal training takes: d/dtheta of |df/dx|^2, against a finite difference along a random direction."""
        generator = seeded(1234)
        field = self.make(document, d_out=1).double().eval()
        x = points(16, 2)
        params = list(field.parameters())
        direction = [  # scaled so that a small step flips no ReLU behind a table of small entries
            torch.randn(p.shape, generator=generator, dtype=torch.float64) * p.detach().abs().mean() for p in params
        ]

        def energy() -> Tensor:
            at = x.clone().requires_grad_()
            (g,) = torch.autograd.grad(field(at).sum(), at, create_graph=True)
            return g.square().sum()

        grads = torch.autograd.grad(energy(), params, allow_unused=True)
        analytic = sum((g * d).sum() for g, d in zip(grads, direction, strict=True) if g is not None)
        h = 1e-7
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                for p, d in zip(params, direction, strict=True):
                    p.add_(sign * h * d)
            values.append(energy().detach())
            with torch.no_grad():
                for p, d in zip(params, direction, strict=True):
                    p.sub_(sign * h * d)
        numeric = (values[0] - values[1]) / (2 * h)
        assert_near(torch.as_tensor(analytic), numeric, 1e-3)

    def test_parameter_jacobian_through_torch_func_is_autograd_row_by_row(self, document: Document) -> None:
        field = self.make(document, d_out=1).double()
        x = torch.rand(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        params: dict[str, Tensor] = dict(field.named_parameters())

        def one(p: dict[str, Tensor], at: Tensor) -> Tensor:
            out: Tensor = torch.func.functional_call(field, p, (at[None],))
            return out[0, 0]

        rows = torch.func.vmap(torch.func.grad(one), (None, 0))(params, x)
        gram = torch.zeros(3, 3, dtype=torch.float64)
        for name in params:
            flat = rows[name].reshape(3, -1)
            gram += flat @ flat.T
        for i in range(3):
            own = torch.autograd.grad(field(x[i : i + 1])[0, 0], list(params.values()), allow_unused=True)
            for name, g in zip(params, own, strict=True):
                if g is not None:
                    assert_near(rows[name][i], g, 1e-10)
        values = torch.linalg.eigvalsh(gram)
        assert values.min() >= -1e-9 * values.max()  # the empirical NTK is positive semi-definite

    def test_config_round_trips_through_json_and_explains_itself(self, document: Document) -> None:
        config = self.make(document).config
        assert parse(FieldConfig, json.loads(json.dumps(config.to_json()))) == config
        assert type(config).__doc__ is not None
        assert config.paper
        assert all(s.param.help for s in settings_of(type(config)))
        some = next(s.name for s in settings_of(type(config)) if s.param.ge is not None)
        with pytest.raises(ConfigError, match=rf"unknown setting 'field.{some}x'.*did you mean '{some}'"):
            parse(FieldConfig, {**described(document), f"{some}x": 3}, "field")
        with pytest.raises(ConfigError) as caught:
            parse(FieldConfig, {**described(document), some: -(2**40), "nothing_like_it": 1}, "field")
        assert len(caught.value.problems) == 2

    def test_files_are_bit_exact_and_name_what_does_not_fit(self, document: Document, tmp_path: Path) -> None:
        field = self.make(document)
        spec = Spec("array", 2, 3, (24, 24))
        frame = Frame(Domain((0.0, 0.0), (24.0, 24.0), ("a", "b"), "samples"), (0.0,) * 3, (1.0,) * 3)
        made = Fit(
            field=field,
            spec=spec,
            frame=frame,
            meta={"dtype": "float32", "channels": "last", "range": [0.0, 1.0]},
            settings=FitConfig(),
        )
        path = tmp_path / "m.safetensors"
        made.save(path)
        again = Fit.load(path)
        for (name, a), (name_again, b) in zip(
            field.state_dict().items(), again.field.state_dict().items(), strict=True
        ):
            assert name == name_again
            assert_same_bytes(a, b)
        assert again.to_bytes() == made.to_bytes() == path.read_bytes()
        first = next(iter(field.state_dict()))
        grown = dataclasses.replace(made, field=copy.deepcopy(field))
        owner, _, leaf = first.rpartition(".")
        setattr(grown.field.get_submodule(owner), leaf, nn.Parameter(torch.zeros(1, 1)))
        path.write_bytes(grown.to_bytes())
        with pytest.raises(UnreadableError, match=f"tensor '{first}' has shape"):
            Fit.load(path)

    def test_deepcopy_state_dict_and_dtype_moves(self, document: Document) -> None:
        generator = seeded(1234)
        field = self.make(document)
        x = torch.rand(9, 2, generator=generator)
        y = field(x)
        assert_same_bytes(copy.deepcopy(field)(x), y)
        other = self.make(document, seed=9)
        other.load_state_dict(field.state_dict())
        assert_same_bytes(other(x), y)
        assert copy.deepcopy(field).double()(x.double()).dtype == torch.float64

    def test_outside_the_box_it_does_what_it_says(self, document: Document) -> None:
        generator = seeded(1234)
        field = self.make(document).double()
        x = torch.rand(50, 2, generator=generator, dtype=torch.float64) * 3 - 1
        expected = {"clamp": x.clamp(0, 1), "wrap": x % 1.0, "extend": x}[field.boundary]
        assert_near(field(x), field(expected), 1e-9)
        if field.boundary == "extend":
            assert not torch.allclose(field(x), field(x.clamp(0, 1)))

    def test_every_parameter_has_a_role_and_learns(self, document: Document) -> None:
        generator = seeded(1234)
        field = self.make(document)
        groups = field.param_groups()
        assert "other" not in groups
        assert sum(len(g) for g in groups.values()) == len(list(field.parameters()))
        loss, penalty = field(torch.rand(4096, 2, generator=generator)).square().sum(), field.penalty()
        (loss if penalty is None else loss + penalty).backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        for name, p in field.named_parameters():
            assert p.grad is not None, f"{name} does not take part"
            assert p.grad.abs().max() > 0, f"{name} has no gradient"

    def test_it_learns_three_cosines_and_a_constant(self, document: Document) -> None:
        t = (torch.arange(256) + 0.5) / 256
        wave = sum(torch.cos(2 * torch.pi * k * t + k) / 3 for k in (1, 3, 6))
        assert isinstance(wave, Tensor)
        for values in (wave, torch.full((256,), 0.7)):
            signal = Array.of_array(values.numpy())
            recipe = resolve(signal, document)[1]
            rate = max(recipe.lr, 1e-3)  # the paper's rate where it gets there in 400 steps
            done = fit(
                signal, document, dataclasses.replace(recipe, steps=recipe.steps and 400, schedule=Cosine(), lr=rate)
            )
            assert done.outcome == "done"
            assert done.metrics["psnr_db"] >= 35, done.metrics
