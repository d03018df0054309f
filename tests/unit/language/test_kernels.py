"""What importing the kernels loads, and what it leaves alone."""

import subprocess
import sys

import pytest

from qaz_llm.language.kernels import _without

CODE = """
import sys
import qaz_llm.language.buffer as buffer
words = buffer.hash_words(["қар"])
assert "scipy.linalg" not in sys.modules
import scipy.linalg
assert scipy.linalg.det([[2.0]]) == 2.0
"""


def test_scipy_is_not_loaded_for_kernels_and_can_be_afterwards() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)


def test_a_module_is_hidden_for_a_while_only() -> None:
    with pytest.raises(ImportError), _without("wsgiref.util"):
        import wsgiref.util
    import wsgiref.util

    with _without("wsgiref.util"):  # loaded already: it stays
        assert sys.modules["wsgiref.util"] is wsgiref.util
