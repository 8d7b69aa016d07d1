"""An Engine.IO server of python-engineio that sends back what it receives; what begins
with a star goes to everybody. Prints its port."""

import socket

import engineio
import uvicorn

server = engineio.AsyncServer(
    async_mode="asgi", ping_interval=3000, max_http_buffer_size=1_000_000
)
everybody = set()


@server.on("connect")
async def connect(sid, _):
    everybody.add(sid)


@server.on("disconnect")
async def disconnect(sid, *_):
    everybody.discard(sid)


@server.on("message")
async def message(sid, data):
    if data[0] != "*":
        return await server.send(sid, data)
    for each in list(everybody):
        await server.send(each, data)


# More connections at once than this would be refused.
listener = socket.create_server(("127.0.0.1", 0), backlog=2000)
print(listener.getsockname()[1], flush=True)
uvicorn.Server(
    uvicorn.Config(
        engineio.ASGIApp(server),
        log_level="error",
        timeout_keep_alive=3000,
        ws_ping_interval=None,
    )
).run(sockets=[listener])
