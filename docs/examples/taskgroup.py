import asyncio


async def queue() -> None:
    await asyncio.sleep(0.1)
    raise OSError("the queue has failed")


async def reporter() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        print("the reporter is asked to stop")
        raise


async def main() -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(queue(), name="queue")
            group.create_task(reporter(), name="reporter")
    except* OSError as failed:
        print("the cause:", *failed.exceptions)


asyncio.run(main())
