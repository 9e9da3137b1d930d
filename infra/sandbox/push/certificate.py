"""The certificate of the push port: self-signed, made in the home at first use.

Tiger's SDK for Python checks no certificate; for those that do, it names loopback.
"""

import ipaddress
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.sandbox.home import write_private

CERTIFICATE_FILE = "push_certificate.pem"
KEY_FILE = "push_private_key.pem"
LIFE = timedelta(days=3650)
# A client whose clock is behind still takes it.
GRACE = timedelta(days=1)


def tls_context(home: Path, *, now: datetime) -> ssl.SSLContext:
    """Return what the TLS port serves with; makes key and certificate if the home has none."""
    certificate, key = home / CERTIFICATE_FILE, home / KEY_FILE
    if not (certificate.exists() and key.exists()):
        _make(certificate, key, now=now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The SDK reads and writes one TLS socket from two threads with no lock between them. A ticket
    # that arrives while it sends its CONNECT can lose that; nobody resumes sessions here.
    context.num_tickets = 0
    context.load_cert_chain(certificate, key)
    return context


def _make(certificate: Path, key: Path, *, now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    loopback = ipaddress.ip_address("127.0.0.1")
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - GRACE)
        .not_valid_after(now + LIFE)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(loopback)]),
            critical=False,
        )
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(key, pem)
    write_private(certificate, signed.public_bytes(serialization.Encoding.PEM))
