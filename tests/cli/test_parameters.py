"""Messages of the library name parameters; the command line shows them as its options."""

from __future__ import annotations

import json

import pytest
from inr_cli._output import report
from inr_cli._parameters import as_flags

from inr.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`size` and `scale` are both given", "--size and --scale are both given"),
        ("use `force=True`, or another `output`", "use --force, or another -o"),
        ("use `profile=weights`", "use --profile weights"),
        ("give `time_s`, `target_psnr_db` or `max_steps`", "give --time, --target-psnr or --max-steps"),
        ("use `fit.loss=mse`, or a larger `fit.batch`", "use --set fit.loss=mse, or a larger fit.batch"),
        ("'a `size` b.png' has the wrong `kind`", "'a `size` b.png' has the wrong --kind"),
        ('"it\'s `size`.png" has the wrong `kind`', '"it\'s `size`.png" has the wrong --kind'),
        ("the field's `width` is not the other's", "the field's --width is not the other's"),
        ("`not a name`", "`not a name`"),
        ("`Image`", "Image"),
    ],
)
def test_marked_parameters_become_options(text: str, shown: str) -> None:
    assert as_flags(text) == shown


def test_errors_show_options_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    error = ConfigError(["`size` is 0", "`seed` is -1"], "use `device=cpu`")
    report(error, as_json=False)
    assert capsys.readouterr().err == "error: --size is 0\nerror: --seed is -1\nhint: use --device cpu\n"
    report(error, as_json=True)
    document = json.loads(capsys.readouterr().err)
    assert document["message"] == "--size is 0; --seed is -1"
    assert document["problems"] == ["--size is 0", "--seed is -1"]
    assert document["hint"] == "use --device cpu"
