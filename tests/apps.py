"""The real application for tests."""

import asyncio

from fastapi import FastAPI

from qa.engine import Engine
from ui.app import make_app
from ui.settings import Settings


def app_over(engine: Engine, settings: Settings | None = None) -> FastAPI:
    """The application, made inside an event loop: outside of one, Gradio makes loops and does not close them."""

    async def make() -> FastAPI:
        return make_app(engine, settings or Settings())

    return asyncio.run(make())
