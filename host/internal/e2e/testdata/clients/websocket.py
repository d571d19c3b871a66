# What Python's websockets makes of a host: websocket.py PLAIN, the address of a listener that serves talk.php.
# It prints a line for each check, and exits with 1 if one failed.
import asyncio
import os
import sys
import traceback

import websockets

plain = sys.argv[1]
base = f"ws://{plain}"


async def echoes():
    async with websockets.connect(f"{base}/echo", max_size=None) as ws:  # it offers compression
        assert [e.name for e in ws.extensions] == ["permessage-deflate"], ws.extensions
        for message in ["", "x", "grüße 🎈", b"", b"\xff\x00", "long " * 100_000, os.urandom(65536), os.urandom(1 << 20)]:
            await ws.send(message)
            assert await ws.recv() == message


async def sixteen_mebibytes():
    async with websockets.connect(f"{base}/echo", max_size=None, compression=None) as ws:
        for message in [os.urandom(16 << 20), "äöü!" * (2 << 20)]:
            await ws.send(message)
            assert await ws.recv() == message


async def fragments_with_pings():
    async with websockets.connect(f"{base}/echo") as ws:
        async def parts():
            for part in ["one ", "two ", "", "three"]:
                yield part
                pong = await ws.ping()
                await asyncio.wait_for(pong, 10)

        await ws.send(parts())
        assert await ws.recv() == "one two three"
        await ws.send([b"a", b"b", b"c"])
        assert await ws.recv() == b"abc"


async def ten_thousand_bytes_one_by_one():
    async with websockets.connect(f"{base}/echo", compression=None) as ws:
        async def parts():
            for _ in range(10_000):
                yield b"."

        await ws.send(parts())
        assert await ws.recv() == b"." * 10_000


async def closes():
    ws = await websockets.connect(f"{base}/")
    await ws.close(4000, "von hier")
    assert ws.close_code == 4000, ws.close_code
    ws = await websockets.connect(f"{base}/")
    await ws.send("close 4001 von dort")
    try:
        await ws.recv()
        raise AssertionError("it was not closed")
    except websockets.ConnectionClosed as e:
        assert (e.rcvd.code, e.rcvd.reason) == (4001, "von dort"), e


async def subprotocols_and_refusals():
    async with websockets.connect(f"{base}/?subprotocol=chat", subprotocols=["other", "chat"]) as ws:
        assert ws.subprotocol == "chat"
        assert ws.response_headers["X-Version"] == "1"
    for url, status in [(f"{base}/?refuse=404", 404), (f"{base}/?refuse=503", 503)]:
        try:
            await websockets.connect(url)
            raise AssertionError("it was accepted")
        except websockets.InvalidStatusCode as e:
            assert e.status_code == status, e
    try:
        await websockets.connect(f"{base}/", origin="https://evil.example")
        raise AssertionError("it was accepted")
    except websockets.InvalidStatusCode as e:
        assert e.status_code == 403, e


async def a_crowd_in_a_room():
    crowd = [await websockets.connect(f"{base}/?join=python") for _ in range(50)]
    for i, ws in enumerate(crowd):
        await ws.send(f"group python {i}")
        for other in crowd:
            assert await asyncio.wait_for(other.recv(), 10) == str(i)
    await asyncio.gather(*(ws.close() for ws in crowd))


failed = False
for check in [echoes, sixteen_mebibytes, fragments_with_pings, ten_thousand_bytes_one_by_one, closes, subprotocols_and_refusals, a_crowd_in_a_room]:
    try:
        asyncio.run(asyncio.wait_for(check(), 30))
        print("ok  ", check.__name__)
    except BaseException:
        failed = True
        print("FAIL", check.__name__, traceback.format_exc())
sys.exit(failed)
