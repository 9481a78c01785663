"""Files of measured values: columns with names, from CSV, NPZ or NPY."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.core.errors import UnreadableError, UsageError

Array = NDArray[np.float64]
MOST_BYTES = 2**28


def bytes_of(file: str, path: Path) -> bytes:
    """The content of a data file. Raises UnreadableError if it is missing or too large."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UnreadableError(f"{file!r} has {path.stat().st_size} bytes, expected at most {MOST_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{file!r} cannot be read: {error.strerror}") from error


def arrays_of(file: str, data: bytes) -> dict[str, Array]:
    """The arrays of an .npz file, or that of an .npy file under the name "", as float64."""
    try:
        found: Any = np.load(io.BytesIO(data), allow_pickle=False)
        arrays = {"": found} if isinstance(found, np.ndarray) else {key: found[key] for key in found.files}
        return {key: np.asarray(array, np.float64) for key, array in arrays.items()}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, TypeError) as error:
        raise UnreadableError(f"{file!r} cannot be read as NumPy arrays of numbers: {error}") from error


def columns_of(file: str, path: Path, names: Any = None) -> dict[str, Array]:
    """Columns [N] by name: of a CSV file with a header, of an .npz file with an array each, or of an .npy file [N, K].

    names: of the columns of an .npy file. Raises UnreadableError for files, UsageError for names.
    """
    if names is not None and not (isinstance(names, list) and all(isinstance(each, str) for each in names)):
        raise UsageError(f"columns is {names!r}, expected a list of names", 'columns = ["x", "y", "u"]')
    data, suffix = bytes_of(file, path), path.suffix.lower()
    if suffix not in (".npy", ".npz"):
        columns = _of_csv(file, data)
    elif suffix == ".npz":
        columns = {key: array.ravel() for key, array in arrays_of(file, data).items()}
    else:
        array = arrays_of(file, data)[""]
        if array.ndim != 2 or names is None or len(names) != array.shape[1]:
            raise UnreadableError(
                f"{file!r} has shape {array.shape}, expected [N, K] and K names of columns",
                'columns = ["x", "y", "u"]',
            )
        columns = dict(zip(names, array.T, strict=True))
    if len({len(column) for column in columns.values()}) > 1:
        sizes = ", ".join(f"{key} {len(column)}" for key, column in columns.items())
        raise UnreadableError(f"the columns of {file!r} differ in length: {sizes}")
    if not all(np.isfinite(column).all() for column in columns.values()):
        raise UnreadableError(f"{file!r} has values that are not finite")
    return columns


def _of_csv(file: str, data: bytes) -> dict[str, Array]:
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (ValueError, csv.Error) as error:
        raise UnreadableError(f"{file!r} cannot be read as CSV: {error}") from error
    header = [name.strip() for name in rows[0]] if rows else []
    if len(header) == 1 and any(sign in header[0] for sign in ";\t"):
        raise UnreadableError(f"{file!r} has the header {header[0]!r}, expected commas between columns")
    body = [(at, row) for at, row in enumerate(rows[1:], 2) if any(each.strip() for each in row)]
    if not body:
        raise UnreadableError(f"{file!r} has no rows of values")
    values = []
    for at, row in body:
        if len(row) != len(header):
            raise UnreadableError(f"{file!r} has {len(row)} values in line {at}, expected {len(header)}")
        try:
            values.append([float(each) for each in row])
        except ValueError:
            shown = next(each for each in row if not _is_float(each))
            raise UnreadableError(f"{file!r} has {shown!r} in line {at}, expected numbers") from None
    return dict(zip(header, np.array(values, np.float64).T, strict=True))


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
