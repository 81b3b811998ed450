"""The catalogue: recorded data of any format in one tidy folder of Parquet files.

Only `storing`, `tables` and `playing` need pyarrow, the extra `data`; the rest works without.
"""

from shared.catalogue.manifest import Entry, Manifest, is_catalogue
from shared.catalogue.recorded import open_recorded

__all__ = ["Entry", "Manifest", "is_catalogue", "open_recorded"]
