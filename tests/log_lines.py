"""Logs as the server sets them up, for a while."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ui.logs import OWN, set_up_logs
from ui.settings import ServerSettings


@contextmanager
def logged(**settings: object) -> Iterator[io.StringIO]:
    """Set the logs up by these settings; gives what is written. All is as before in the end."""
    root, written = logging.getLogger(), io.StringIO()
    handlers = root.handlers[:]
    levels = {logger: logger.level for logger in (root, *map(logging.getLogger, OWN))}
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stderr", written)
            set_up_logs(ServerSettings.model_validate(settings))
        yield written
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        for logger, level in levels.items():
            logger.setLevel(level)
