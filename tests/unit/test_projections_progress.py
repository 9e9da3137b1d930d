"""Waiting until an account is folded far enough."""

import asyncio

from projections.progress import Progress

LONG_S = 5.0


async def test_wait_ends_when_the_account_has_grown_far_enough() -> None:
    folded = {"a1": 1}
    progress = Progress(lambda account: folded.get(account, 0))
    assert await progress.wait("a1", 1, timeout_s=0.0)
    waiting = asyncio.create_task(progress.wait("a1", 3, timeout_s=LONG_S))
    await asyncio.sleep(0)
    for n in (2, 3):
        assert not waiting.done()
        folded["a1"] = n
        progress.grew(frozenset({"a1", "a2"}))
        await asyncio.sleep(0)
    assert await waiting


async def test_wait_gives_up_at_its_limit_and_is_forgotten() -> None:
    progress = Progress(lambda _: 0)
    assert not await progress.wait("a1", 1, timeout_s=0.001)
    progress.grew(frozenset({"a1"}))


async def test_one_that_gives_up_leaves_the_others_waiting() -> None:
    folded = {"a1": 0}
    progress = Progress(lambda account: folded[account])
    first, second = (
        asyncio.create_task(progress.wait("a1", 1, timeout_s=LONG_S)) for _ in range(2)
    )
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    folded["a1"] = 1
    progress.grew(frozenset({"a1"}))
    assert await second
