"""Charts of a report as inline SVG.

matplotlib is loaded here, and without MPLBACKEND: the name of a backend that is gone would end the import, and a chart
needs none.
"""

import os

_users = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib as mpl  # noqa: F401
finally:
    if _users is not None:
        os.environ["MPLBACKEND"] = _users
