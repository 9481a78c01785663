"""Comparisons of tensors, from the conformance suites. Each one asserts and returns nothing."""

from inr.testing import assert_near as assert_near
from inr.testing import assert_same_bytes as assert_same_bytes
from inr.testing.kernels import assert_same_bytes_for_threads as assert_same_bytes_for_threads
