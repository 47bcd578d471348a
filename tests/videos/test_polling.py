"""The number of concurrent polls is limited."""

import asyncio

import httpx
from aiohttp import web

from bot.sandbox.changes import Changes
from bot.sandbox.faults import Faults
from bot.sandbox.videos import VideosSandbox
from bot.videos.client import MAX_CONCURRENT_POLLS, VideosClient
from bot.videos.wire import InProgress


async def test_concurrent_polls_are_limited(clip: bytes) -> None:
    looks, changes, faults = 3 * MAX_CONCURRENT_POLLS, Changes(), Faults()
    concurrent, most, resume = 0, 0, asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        nonlocal concurrent, most
        concurrent += 1
        most = max(most, concurrent)
        changes.happened()
        await resume.wait()
        concurrent -= 1
        return web.json_response({"id": "video1", "status": "queued"})

    faults.inject("retrieve", slow, times=looks)
    server = VideosSandbox(changes, faults, clip=clip)
    await server.start()
    async with httpx.AsyncClient() as http:
        client = VideosClient(http, base_url=server.base_url, api_key=server.api_key)
        tasks = [asyncio.create_task(client.retrieve("video1")) for _ in range(looks)]
        await changes.until(lambda: concurrent == MAX_CONCURRENT_POLLS)
        resume.set()
        found = await asyncio.gather(*tasks)
    await server.stop()
    assert most == MAX_CONCURRENT_POLLS
    assert all(isinstance(look, InProgress) for look in found)
