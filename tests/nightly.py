"""Whether this run takes the sizes of a night, for which a pull request has no time."""

from __future__ import annotations

import os

IS_NIGHT = os.environ.get("AUDIOSR_FX_NIGHTLY") == "1"
