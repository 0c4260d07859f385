"""Whom the artifact lets functions trust: the authorities of RDS in every region, Amazon's roots, and nobody else."""

import datetime as dt
import re
import ssl
from collections.abc import Mapping

import boto3
import pytest
from cryptography import x509

from localstack.packaging import authorities, wheels

AMAZON = [f"Amazon Root CA {number}" for number in (1, 2, 3, 4)]
# In one process, with what else is downloaded for an artifact.
pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("artifact")]


@pytest.fixture(scope="module")
def files() -> Mapping[str, bytes]:
    return authorities.database_authorities(wheels.this_platform())


def names(pem: bytes) -> list[str]:
    """The common names of all certificates, each of which signed itself and holds for a year at least."""
    certificates = x509.load_pem_x509_certificates(pem)
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
    for certificate in certificates:
        certificate.verify_directly_issued_by(certificate)
        assert certificate.not_valid_after_utc > soon
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert constraints.ca
    return [str(each.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value) for each in certificates]


def test_every_region_that_boto3_knows_of_has_a_file(files: Mapping[str, bytes]) -> None:
    regions = boto3.session.Session().get_available_regions("rds", partition_name="aws")
    assert "us-east-1" in regions
    assert {authorities.file_of(region) for region in regions} <= set(files)


def test_a_file_holds_its_region_s_authorities_amazon_s_roots_and_nobody_else(files: Mapping[str, bytes]) -> None:
    for file, pem in files.items():
        region = re.fullmatch(r"database-ca/(.+)\.pem", file)
        assert region is not None
        theirs = [f"Amazon RDS {region[1]} Root CA {kind} G1" for kind in ("RSA2048", "RSA4096", "ECC384")]
        assert sorted(names(pem)) == sorted([*theirs, *AMAZON]), file


def test_openssl_takes_a_file_as_it_is(files: Mapping[str, bytes]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=files[authorities.file_of("us-east-1")].decode())
    assert context.cert_store_stats()["x509_ca"] == 3 + len(AMAZON)
