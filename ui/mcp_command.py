"""`otvet mcp`: the tools for an agent on this machine, which starts this process and talks to it by stdin and stdout.

Decision: Ctrl+C and SIGTERM end the process as the system does it by default, and the end of stdin does it as abruptly.
There is nothing to save, as an index is only read. The thread that waits for the next line of stdin can be woken by
nothing else; and where threads are still answering in native code, an interpreter that tidies up aborts.
"""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from ui.progress import progress_bars
from ui.settings import load_settings


def mcp() -> None:
    """Serve Otvet's tools to an agent on this machine, by the Model Context Protocol on stdin and stdout.

    Agents start this command themselves; what it logs goes to stderr. Over HTTP the same tools are at /mcp of `otvet
    serve`. Ends when stdin closes.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    settings = load_settings()
    import anyio
    from mcp.server.stdio import stdio_server

    from qa.engine import open_engine
    from ui.asking import Asker
    from ui.logs import set_up_logs
    from ui.mcp_server import make_mcp_server

    async def serve(stdin: TextIO, stdout: TextIO) -> None:
        async with stdio_server(anyio.wrap_file(stdin), anyio.wrap_file(stdout)) as streams:
            await server.run(streams[0], streams[1], server.create_initialization_options())

    set_up_logs(settings)
    with protocol_streams() as (stdin, stdout):
        with progress_bars() as progress:
            engine = open_engine(settings, settings, progress=progress)
        server = make_mcp_server(Asker(engine, timeout_s=settings.answer_timeout_s))
        anyio.run(serve, stdin, stdout)
    logging.shutdown()
    os._exit(0)


@contextmanager
def protocol_streams() -> Iterator[tuple[TextIO, TextIO]]:
    """Stdin and stdout for the protocol alone: what anything else reads is empty, and what it prints goes to stderr.

    The SDK does this, too, but not before it listens; libraries print while they are loaded.
    """
    sys.stdout.flush()
    stdin = os.fdopen(os.dup(0), encoding="utf-8", errors="replace")
    stdout = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    with stdin, stdout:
        yield stdin, stdout
