"""Sites without a network path to the server: their cases go out in a package, their readings come back.

``outgoing`` writes a package for a site, ``local`` opens it there on an instance of its own, ``returning``
writes what was read, ``incoming`` takes it in. Packages are encrypted and signed, see ``sealed``.
"""

from reader_study.site_exchange.incoming import ImportReport, import_package
from reader_study.site_exchange.local import OpenedSite, open_package
from reader_study.site_exchange.outgoing import SentPackage, export_site
from reader_study.site_exchange.returning import ReturnPackage, opened_here, write_return

__all__ = [
    "ImportReport",
    "OpenedSite",
    "ReturnPackage",
    "SentPackage",
    "export_site",
    "import_package",
    "open_package",
    "opened_here",
    "write_return",
]
