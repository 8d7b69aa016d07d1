"""An Engine.IO server of python-engineio that sends back what it receives, with the
options of the example `echo`."""

import argparse
import socket

import engineio
import uvicorn

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--ping-interval", type=int, default=25_000)
parser.add_argument("--ping-timeout", type=int, default=20_000)
parser.add_argument("--max-payload", type=int, default=1_000_000)
parser.add_argument("--transports", default="polling,websocket")
parser.add_argument("--cors")
options = parser.parse_args()

server = engineio.AsyncServer(
    async_mode="asgi",
    ping_interval=options.ping_interval / 1000,
    ping_timeout=options.ping_timeout / 1000,
    max_http_buffer_size=options.max_payload,
    transports=options.transports.split(","),
    cors_allowed_origins=options.cors,
)


@server.on("message")
async def message(sid, data):
    await server.send(sid, data)


listener = socket.create_server(("127.0.0.1", options.port))
print(f"listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(
    uvicorn.Config(
        engineio.ASGIApp(server),
        log_level="warning",
        ws_max_size=options.max_payload,
        timeout_graceful_shutdown=1,
    )
).run(sockets=[listener])
