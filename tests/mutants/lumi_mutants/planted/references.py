"""Bugs of references across services and of the deletes that follow them."""

from lumi_mutants.mutation import Mutation

_COMMON = "libs/common/src/lumi_common"
_TESTS = "libs/common/tests/db"

REFERENCES = (
    Mutation(
        "gone-is-named-again",
        f"{_COMMON}/db/steps.py",
        "                if not found then\n                    raise foreign_key_violation using",
        "                if found and false then\n                    raise foreign_key_violation using",
        (f"{_TESTS}/test_references.py::test_what_is_fenced_cannot_be_named",),
        "A row comes to name what is deleted.",
    ),
    Mutation(
        "fence-without-lock",
        f"{_COMMON}/db/referrer.py",
        "        await tx.fetch(self._lock, **_arrays(order))",
        "        pass",
        (f"{_TESTS}/test_references.py::test_who_would_name_it_waits_for_a_fence",),
        "Who is just naming it is not seen by the fence, and does not see it either.",
    ),
    Mutation(
        "fence-that-never-expires",
        f"{_COMMON}/db/referrer.py",
        "    mark_until = update(targets).where(named, func.clock_timestamp() < until).values(gone_at=later)",
        "    mark_until = update(targets).where(named, until.is_not(None)).values(gone_at=later)",
        (f"{_TESTS}/test_references.py::test_a_fence_that_comes_too_late_does_nothing",),
        "A fence that was long on its way closes a row for ever.",
    ),
    Mutation(
        "every-fence-taken-back",
        f"{_COMMON}/db/referrer.py",
        "    free = update(targets).where(named, targets.c.gone_at <= gone_at).values(gone_at=null())",
        "    free = update(targets).where(named, gone_at.is_not(None)).values(gone_at=null())",
        (f"{_TESTS}/test_references.py::test_a_fence_is_taken_back_by_its_own_deletion",),
        "A deletion that was given up opens what the next one has closed.",
    ),
    Mutation(
        "end-not-remembered",
        f"{_COMMON}/db/referrer.py",
        "        await tx.fetch(self._mark, **_arrays(await self._locked(tx, wanted)), gone_at=event.time)",
        "        await self._locked(tx, wanted)",
        (f"{_TESTS}/test_following.py::test_nothing_late_brings_it_back",),
        "A late message brings back a reference to somebody who was purged.",
    ),
    Mutation(
        "soft-delete-taken-for-the-end",
        f"{_COMMON}/db/referrer.py",
        "            if record.before_json is not None and record.after_json is None:",
        "            if record.before_json is not None:",
        (f"{_TESTS}/test_following.py::test_what_is_only_changed_made_or_elses_is_no_end",),
        "Orders lose their user when that one changes their name.",
    ),
    Mutation(
        "cascade-not-told",
        f"{_COMMON}/db/removal.py",
        "                yield change",
        "                pass",
        (f"{_TESTS}/test_removal.py::test_what_goes_with_a_row_has_its_end_told_and_what_loses_it_its_change",),
        "What the database takes along leaves no record, and nobody follows it.",
    ),
    Mutation(
        "end-not-newer",
        f"{_COMMON}/db/record.py",
        '            columns = [(c + 1).label("version") if c.name == "version" else c for c in columns]',
        "            pass",
        (f"{_TESTS}/test_removal.py::test_nobody_who_drops_what_is_not_newer_misses_the_end",),
        "The end of a row is dropped by those who have heard of its last change.",
    ),
    Mutation(
        "deletion-after-its-end",
        f"{_COMMON}/deletions.py",
        '    text("delete from deletions where id = any(:ids)'
        " and step = 'FENCE' and deadline > clock_timestamp() returning id\")",
        '    text("delete from deletions where id = any(:ids) returning id")',
        (
            f"{_TESTS}/test_deletions.py::test_nothing_is_deleted_once_its_intent_was_taken_back",
            f"{_TESTS}/test_deletions.py::test_nothing_is_deleted_once_its_time_is_over",
        ),
        "A row is deleted that others may refer to again.",
    ),
    Mutation(
        "fence-by-anybody",
        f"{_COMMON}/rpc/references.py",
        '        if kind.partition(".")[0] != caller:',
        '        if "." not in kind:',
        (f"{_TESTS}/test_deletions.py::test_only_its_owner_fences_a_row",),
        "Any service closes the rows of any other.",
    ),
)
