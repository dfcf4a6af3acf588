"""The door: read the settings, prepare the data folder, build the server, run it."""

import gc
import sys
import time

import uvicorn

from webapp.first_start import prepare
from webapp.server import build_server
from webapp.settings import parse_settings


def main() -> int:
    """Serve RetiZero Studio until interrupted; return the exit status."""
    started = time.perf_counter()
    settings = parse_settings()
    print(f"RetiZero Studio\n{settings.describe()}", file=sys.stderr)
    try:
        rooms = prepare(settings)
    except (ValueError, OSError) as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    server = build_server(rooms)
    gc.collect()
    gc.freeze()  # what is here now stays as long as the server: no later collection walks over it
    seconds = time.perf_counter() - started
    print(
        f"Open http://{settings.host}:{settings.port}  (ready after {seconds:.0f} s)",
        file=sys.stderr,
        flush=True,
    )
    uvicorn.run(
        server, host=settings.host, port=settings.port, log_level="warning", server_header=False,
        forwarded_allow_ips="127.0.0.1",
        timeout_graceful_shutdown=3,
        timeout_keep_alive=75,  # longer than a reader looks at most cases: no new connection for each answer
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
