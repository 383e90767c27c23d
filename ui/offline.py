"""Keeps the libraries below from calling home. To be called before any of them is imported."""

import os

QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",  # no table of all events made with each event, for nobody
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "DO_NOT_TRACK": "1",
}


def go_offline() -> None:
    """Turn off telemetry, version checks and model hubs for this process, whatever the user's shell says."""
    os.environ.update(QUIET)
