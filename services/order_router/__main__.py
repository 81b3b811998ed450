"""`python -m services.order_router --run DIR`."""

import sys

from services.order_router.core import NAME
from services.order_router.service import build
from shared.runtime.main import serve

if __name__ == "__main__":
    sys.exit(serve(NAME, build))
