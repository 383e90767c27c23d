"""OpenTelemetry spans, where OTVET_OTLP_ENDPOINT is set; without it nothing is measured and nothing is sent."""

from collections.abc import Callable

from starlette.applications import Starlette

from index.errors import SettingsError
from ui.asking import Asked
from ui.settings import ServerSettings


def set_up_tracing(app: Starlette, settings: ServerSettings) -> Callable[[Asked], None]:
    """Send spans of the application's requests and of the questions in them to the collector of the settings.

    What is left is sent when the application ends.

    Args:
        app: a FastAPI application that has not answered anything yet.
        settings: `otlp_endpoint` matters.

    Returns:
        What is to be told of each question that is over. It never raises and waits for nothing.

    Raises:
        SettingsError: a package of the extra `otel` is missing.
    """
    if settings.otlp_endpoint is None:
        return lambda asked: None
    try:
        from ui.spans import Spans
    except ImportError as exc:
        raise SettingsError(
            f"setting 'otlp_endpoint' (OTVET_OTLP_ENDPOINT) is {settings.otlp_endpoint!r}, but there is no package "
            f"{exc.name!r}; run: pip install 'otvet[otel]', or unset it"
        ) from exc
    spans = Spans(settings.otlp_endpoint)
    spans.instrument(app)
    return spans.observe
