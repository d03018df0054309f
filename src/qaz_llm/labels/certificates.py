"""The two certificates of a service that labels what it writes: a root that others are given, and a leaf that signs.

    root   its own issuer, valid for ten years; signs leaves and nothing else, its key can lie in a safe
    leaf   issued by the root, valid for a year by default; signs labels, its key lies on the server

Both are Ed25519, which c2patxt signs with. The leaf has the two usages that readers of C2PA labels ask for: emailProtection (RFC 5280,
4.2.1.12) and c2pa-kp-claimSigning (C2PA 2.4, 14.4.1); the other fields are those of 14.5.1.1.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from qaz_llm.labels.names import CERTIFICATE_CHARS, shown

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, KeyUsage, Name

CLAIM_SIGNING = "1.3.6.1.4.1.62558.2.1"
CLOCKS_DIFFER = timedelta(minutes=5)
"""Certificates begin a little before they are made, for readers whose clock is behind."""


def make_root(key: Ed25519PrivateKey, organisation: str, now: datetime, days: int) -> Certificate:
    """A certificate for `key` by itself, that may issue leaves and no further authorities."""
    from cryptography.x509 import BasicConstraints

    name = _name(organisation, "label root")
    builder = _builder(name, name, key, key, now, now + timedelta(days=days))
    return (
        builder.add_extension(BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .sign(key, None)
    )


def make_leaf(
    key: Ed25519PrivateKey, root: Certificate, root_key: Ed25519PrivateKey, organisation: str, now: datetime, days: int
) -> Certificate:
    """A certificate for `key` by the root, to sign labels with; it ends with the root at the latest."""
    from cryptography.x509 import BasicConstraints, ExtendedKeyUsage, ObjectIdentifier
    from cryptography.x509.oid import ExtendedKeyUsageOID

    usages = ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, ObjectIdentifier(CLAIM_SIGNING)])
    end = min(now + timedelta(days=days), root.not_valid_after_utc)
    builder = _builder(_name(organisation, "label signer"), root.subject, key, root_key, now, end)
    return (
        builder.add_extension(BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(usages, critical=False)
        .sign(root_key, None)
    )


def signs_labels(certificate: Certificate) -> bool:
    """Whether a certificate is made out for signing C2PA claims."""
    from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound

    try:
        usages = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    except (ExtensionNotFound, ValueError):
        return False
    return any(usage.dotted_string == CLAIM_SIGNING for usage in usages)


def name_of(certificate: Certificate) -> str:
    """Whom a certificate names, as `CN, O`: what its maker wrote, made safe to show."""
    from cryptography.x509.oid import NameOID

    found = [
        str(attribute.value)
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        for attribute in certificate.subject.get_attributes_for_oid(oid)
    ]
    return shown(", ".join(found)) or "no name"


def organisation_of(certificate: Certificate) -> str:
    """The organisation that a certificate names; `qaz-llm` where it names none."""
    from cryptography.x509.oid import NameOID

    found = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else "qaz-llm"


def _name(organisation: str, role: str) -> Name:
    from cryptography.x509 import Name, NameAttribute
    from cryptography.x509.oid import NameOID

    role = f": {role}"  # which stays whole: cryptography counts the bytes of a common name, the standard its characters
    before = organisation.encode()[: CERTIFICATE_CHARS - len(role)].decode("utf-8", "ignore")
    return Name(
        [
            NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:CERTIFICATE_CHARS]),
            NameAttribute(NameOID.COMMON_NAME, f"{before}{role}"),
        ]
    )


def _builder(
    subject: Name, issuer: Name, key: Ed25519PrivateKey, issuer_key: Ed25519PrivateKey, now: datetime, end: datetime
) -> CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _usage(*, sign_certificates: bool) -> KeyUsage:
    from cryptography.x509 import KeyUsage

    return KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )
