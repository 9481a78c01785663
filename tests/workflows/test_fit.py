"""Fits: every start and every layer of settings, the same from each caller."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import inr
from inr.core.errors import ConfigError, UsageError
from inr.fields import FIELDS, RecipeName
from inr.fitting import FitConfig, Progress, save_checkpoint
from inr.signals import Signal, Source
from inr.signals.array import Array
from inr.workflows.fit import FitPlan
from inr.workflows.request import FitRequest
from inr.workflows.start import Start

FIELD = {"type": "siren", "width": 8, "depth": 2}
SETTINGS = {"steps": 6, "batch": 60}
RECIPES: tuple[RecipeName, ...] = ("best", "paper")


def waves(n: int = 12) -> Array:
    a = np.arange(n, dtype=np.float32) / n
    return Array.of_array(np.sin(6 * a)[:, None] * np.cos(9 * a)[None, :])


def request_of(*settings: str, **flags: object) -> FitRequest:
    return FitRequest.of(lambda kind, options: "siren", None, None, settings, flags, None)


def test_a_plan_is_resolved_and_its_fit_is_that_of_the_public_function() -> None:
    plan = FitPlan.of(waves(), FIELD, SETTINGS)
    assert plan.settings.loss is not None
    assert plan.n_params == plan.begin().field.n_params
    assert plan.fit().to_bytes() == inr.fit(waves(), FIELD, SETTINGS, device="cpu").to_bytes()


def test_layers_win_over_each_other_in_order() -> None:
    document = {"fit": {"lr": 1e-2, "batch": 50, "seed": 3}, "field": {"type": "siren", "width": 8}}
    request = FitRequest.of(
        lambda kind, options: "mlp", document, None, ["fit.batch=40", "fit.seed=4"], {"seed": 5}, None
    )
    settings = FitPlan.of(waves(), request.field, request).settings
    assert (settings.lr, settings.batch, settings.seed) == (1e-2, 40, 5)
    assert request.field.type_name == "siren"


@pytest.mark.parametrize(("settings", "steps"), [((), None), (("fit.steps=7",), 7)])
def test_a_time_limit_alone_ends_the_run_alone(settings: tuple[str, ...], steps: int | None) -> None:
    request = request_of(*settings, time_s=1.0)
    assert FitPlan.of(waves(), request.field, request).settings.steps == steps


def test_a_recipe_is_chosen_by_name() -> None:
    plain, paper = (FitPlan.of(waves(), FIELD, recipe=name).settings for name in RECIPES)
    assert paper.lr == 1e-4 != plain.lr
    request = FitRequest.of(lambda kind, options: "siren", None, None, (), {}, None, recipe="paper")
    assert FitPlan.of(waves(), request.field, request).settings.lr == 1e-4
    with pytest.raises(ConfigError, match="recipe"):
        FitRequest.of(lambda kind, options: "siren", None, None, (), {}, None, recipe="worst")  # type: ignore[arg-type]  # the error is what is tested


def test_a_run_without_an_end_is_refused() -> None:
    request = request_of("fit.steps=none")
    with pytest.raises(UsageError, match="might never end"):
        FitPlan.of(waves(), request.field, request)


def test_a_request_lists_every_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        request_of("field.widht=3", "fit.stpes=3", "fild.x=1", "x", batch=0)
    assert len(caught.value.problems) == 5


@pytest.mark.parametrize("as_file", [False, True])
def test_a_fit_starts_at_the_parameters_of_another(tmp_path: Path, as_file: bool) -> None:
    first = inr.fit(waves(), FIELD, SETTINGS, device="cpu")
    first.save(tmp_path / "first.safetensors")
    init = tmp_path / "first.safetensors" if as_file else first
    start = inr.fit(waves(), settings={"steps": 0}, init=init, device="cpu")
    for name, tensor in first.field.state_dict().items():
        assert torch.equal(start.field.state_dict()[name], tensor)
    assert start.provenance["init"]["file"] == ("first.safetensors" if as_file else "")
    with pytest.raises(UsageError, match="holds a 'siren' field, the fit is of a 'mlp' field"):
        inr.fit(waves(), "mlp", SETTINGS, init=init, device="cpu")


def test_a_frequency_is_chosen_by_the_spectrum() -> None:
    plan = FitPlan.of(waves(), FIELD, SETTINGS, start=Start(fresh="activation.omega=3,300"))
    assert plan.frequency is not None
    assert plan.frequency.value == 3
    assert plan.field.to_json()["activation"]["omega"] == 3
    fitted = inr.fit(waves(), FIELD, SETTINGS, fresh="activation.omega=3,300", device="cpu")
    assert fitted.field.config.to_json()["activation"]["omega"] == 3
    with pytest.raises(UsageError, match=r"`fresh` is 'activation\.omega=a', expected numbers"):
        inr.fit(waves(), FIELD, fresh="activation.omega=a", device="cpu")


def test_a_run_is_resumed_with_its_settings(tmp_path: Path) -> None:
    plan = FitPlan.of(waves(), FIELD, SETTINGS)
    run = plan.begin()
    run.advance(should_stop=lambda: run.step >= 3)
    save_checkpoint(run, tmp_path)
    heard: list[Progress] = []
    resumed = inr.fit(waves(), resume=tmp_path, device="cpu", on_progress=heard.append)
    assert [p.step for p in heard] == [4, 5, 6]
    assert resumed.to_bytes() == plan.fit().to_bytes()


def test_a_fit_is_tracked_if_its_settings_require_it() -> None:
    fitted = inr.fit(waves(), FIELD, {**SETTINGS, "track_ntk": 1e6}, device="cpu")
    assert fitted.ntk_track is not None
    assert [look["step"] for look in fitted.ntk_track["looks"]] == [0, 1, 2, 4, 5, 6]


def test_starts_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match="`resume` takes its settings from the checkpoint"):
        inr.fit(waves(), FIELD, resume="x.checkpoint")
    with pytest.raises(UsageError, match="`init` and `fresh` are both given"):
        inr.fit(waves(), init="x.safetensors", fresh="auto")


def test_settings_of_a_plan_may_be_complete() -> None:
    chosen = FitConfig(steps=2, batch=10)
    assert FitPlan.of(waves(), FIELD, chosen).settings.batch == 10


def test_signals_are_loaded_with_the_options_of_the_request(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", waves().values.numpy())
    request = request_of("signal.kind=array")
    assert request.kind == "array"
    assert inr.load_signal(Source.of(tmp_path / "a.npy"), request.kind, request.signal_options).spec.kind == "array"


def test_a_number_of_parameters_sets_the_size() -> None:
    small = FitPlan.of(waves(), "siren", {"steps": 1}, n_params=1000)
    assert 900 < small.n_params <= 1000
    with pytest.raises(UsageError, match="at its smallest"):
        FitPlan.of(waves(), "siren", n_params=2)


def test_a_field_that_starts_from_the_signal_is_not_made_larger() -> None:
    signal = inr.load_signal("analytic:scene")
    plan = FitPlan.of(signal, "hash_grid", n_params=10**7)
    assert plan.field == FitPlan.of(signal, "hash_grid").field
    smaller = FitPlan.of(signal, "hash_grid", n_params=20_000)
    assert smaller.n_params <= 20_000
    assert not smaller.field.starts_from_signal(signal.spec)


WITHOUT_SHAPES = {"local_cosine", "winner"}


@pytest.fixture(scope="module")
def shape() -> Signal:
    return inr.load_signal("analytic:torus")


@pytest.mark.parametrize("name", sorted(set(FIELDS) - WITHOUT_SHAPES))
def test_the_default_fit_of_a_shape_starts(name: str, shape: Signal) -> None:
    """Two steps of it, with fewer samples; of families that start from the signal or are solved, the plan."""
    plan = FitPlan.of(shape, name)
    if plan.settings.steps == 0 or plan.field.starts_from_signal(shape.spec):
        return
    run = FitPlan.of(shape, name, {"steps": 2, "batch": 64}).begin()
    assert run.advance() == "done"
    assert run.step == 2


@pytest.mark.parametrize("name", sorted(WITHOUT_SHAPES))
def test_the_others_refuse_a_shape(name: str, shape: Signal) -> None:
    with pytest.raises(ConfigError):
        FitPlan.of(shape, name)
