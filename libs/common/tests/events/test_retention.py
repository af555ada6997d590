import asyncpg

from libs.common.tests.events.world import World
from lumi_common.events.retention import Pruner


async def test_only_what_is_old_and_published_is_removed(here: World) -> None:
    await here.tell("old", "stuck", "new")
    await here.run("update outbox_events set published_at = now() where aggregate_id <> 'stuck'")
    await here.run("update outbox_events set published_at = now() - interval '91 days' where aggregate_id = 'old'")
    for days in (100, 121):
        await here.run(
            "insert into inbox_events (consumer, event_id, applied_at)"
            f" values ('{here.durable.name}', uuidv7(), now() - interval '{days} days')"
        )

    connection = await asyncpg.connect(here.database.dsn, server_settings={"search_path": here.name})
    pruner = Pruner(here.name, [here.durable])
    assert await pruner.prune(connection) is False
    await connection.close()

    assert await here.ask("select string_agg(aggregate_id, ' ' order by seq) from outbox_events") == "stuck new"
    assert await here.ask("select count(*) from inbox_events") == 1
