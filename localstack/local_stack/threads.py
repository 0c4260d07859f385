"""Calls that block, from an event loop that must be able to leave them."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def in_thread(call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """As `asyncio.to_thread`, but neither the loop's end nor the interpreter's waits for a call that was cancelled."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[_T] = loop.create_future()

    def set_outcome(value: _T | None, error: BaseException | None) -> None:
        if result.done():  # cancelled
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]  # there is a value where there is no error

    def work() -> None:
        value, failure = None, None
        try:
            value = call(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001  # goes to whoever waits for it
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(set_outcome, value, failure)

    threading.Thread(target=work, name=getattr(call, "__name__", "call"), daemon=True).start()
    return await result
