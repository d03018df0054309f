"""Whether the certificates in a label lead to a root that the reader trusts.

cryptography has a path validator of its own, made for TLS: it refuses Ed25519 keys whatever its policy says (48.0). The path here
is short and without names to check: each certificate issued by the next, the last by a root, all within their dates, the first
made out for labels. Certificates that were withdrawn are not asked about: nothing here uses the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from qaz_llm.labels.certificates import name_of, signs_labels

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

MAX_PATH = 4


class RootTrust:
    """What c2patxt asks about trust; it remembers who signed, by the chain that it was last asked about."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.signer: str | None = None

    def is_trusted(self, chain: list[Certificate], anchors: list[Certificate]) -> bool:
        """Whether the chain, leaf first, leads to one of the roots."""
        self.signer = name_of(chain[0]) if chain else None
        if not chain or len(chain) > MAX_PATH or not signs_labels(chain[0]):
            return False
        if not all(issued(child, parent) for child, parent in pairwise(chain)):
            return False
        return any(self._leads_to(chain, root) for root in anchors)

    def _leads_to(self, chain: Sequence[Certificate], root: Certificate) -> bool:
        if not root.not_valid_before_utc <= self._now <= root.not_valid_after_utc:
            return False
        return root == chain[-1] or issued(chain[-1], root)


def issued(child: Certificate, parent: Certificate) -> bool:
    """Whether `parent` is an authority and has signed `child`."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509 import BasicConstraints, ExtensionNotFound

    try:
        if not parent.extensions.get_extension_for_class(BasicConstraints).value.ca:
            return False
        child.verify_directly_issued_by(parent)
    except (ExtensionNotFound, InvalidSignature, TypeError, ValueError):
        return False
    return True
