"""Where things are that tests need."""

import os
from pathlib import Path

from ui.offline import go_offline
from ui.settings import load_settings

go_offline()

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("OTVET_TEST_SHARED", ROOT.parent / "shared"))
CACHE_DIR = load_settings().cache_dir  # the one of the person who tests, so that the model is written out only once
