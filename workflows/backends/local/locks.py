"""Mutexes of workflows: first come, first served, and held until the holder lets go."""

import asyncio
from collections import deque


class Locks:
    def __init__(self) -> None:
        self.queues: dict[str, deque[tuple[str, asyncio.Event]]] = {}

    def enter(self, lock: str, workflow: str) -> asyncio.Event:
        """Take a place in the queue; the event is set when it is this workflow's turn."""
        turn = asyncio.Event()
        queue = self.queues.setdefault(lock, deque())
        queue.append((workflow, turn))
        if len(queue) == 1:
            turn.set()
        return turn

    def leave(self, lock: str, workflow: str) -> None:
        """Give up the lock, or the place in its queue; the next one's turn comes."""
        queue = self.queues[lock]
        self.queues[lock] = queue = deque(place for place in queue if place[0] != workflow)
        if queue:
            queue[0][1].set()
        else:
            del self.queues[lock]
