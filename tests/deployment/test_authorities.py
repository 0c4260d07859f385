"""Whom the artifact lets functions trust: the authorities of RDS in every region, Amazon's roots, and nobody else."""

import datetime as dt
import re
import ssl

import boto3
import pytest
from cryptography import x509

from localstack import authorities, wheels

RDS = re.compile(r"^Amazon RDS (?:(?:Preview|Beta) )?([a-z]+(?:-[a-z]+)+-\d) Root CA (RSA2048|RSA4096|ECC384) G1$")
# In one process, with what else is downloaded for an artifact.
pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("artifact")]


@pytest.fixture(scope="module")
def pem() -> bytes:
    return authorities.database_authorities(wheels.this_platform())


@pytest.fixture(scope="module")
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


def test_they_are_rds_s_and_amazon_s_roots_and_no_others(names: list[str]) -> None:
    others = [name for name in names if not RDS.match(name)]
    assert others == [f"Amazon Root CA {number}" for number in (1, 2, 3, 4)]


def test_every_region_that_boto3_knows_of_has_all_three_of_its_authorities(names: list[str]) -> None:
    kinds: dict[str, set[str]] = {}
    for found in filter(None, map(RDS.match, names)):
        kinds.setdefault(found[1], set()).add(found[2])
    regions = boto3.session.Session().get_available_regions("rds", partition_name="aws")
    assert "us-east-1" in regions
    assert set(regions) <= set(kinds)
    assert all(kinds[region] == {"RSA2048", "RSA4096", "ECC384"} for region in regions)


def test_openssl_takes_the_whole_file(pem: bytes, names: list[str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem.decode())
    assert context.cert_store_stats()["x509_ca"] == len(names)
