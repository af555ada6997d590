from libs.common.tests.rpc.echo import SayRequest
from libs.common.tests.rpc.refusals import refused


async def test_a_stream_of_answers_passes_the_stages(echo, bearer):
    answers = [answer.text async for answer in echo.Count(SayRequest(times=3), metadata=bearer())]

    assert answers == ["0", "1", "2"]


async def test_a_stream_is_refused_before_its_first_answer(echo, bearer):
    async with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
        await echo.Count(SayRequest(times=3)).read()
    async with refused("INVALID_ARGUMENT", "INVALID_REQUEST"):
        await echo.Count(SayRequest(times=101), metadata=bearer()).read()


async def test_a_stream_that_fails_half_way_says_why(echo, bearer):
    seen = []
    async with refused("FAILED_PRECONDITION", "ECHO_FORBIDDEN"):
        async for answer in echo.Count(SayRequest(times=2, text="refuse"), metadata=bearer()):
            seen.append(answer.text)

    assert seen == ["0", "1"]


async def test_a_stream_that_runs_out_of_time_names_its_method(echo, bearer):
    async with refused("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED") as seen:
        async for _ in echo.Count(SayRequest(times=1, text="sleep"), metadata=bearer(), timeout=0.3):
            pass

    assert seen.error.facts == {"method": "lumi.echo.v1.EchoService/Count"}


async def test_a_stream_of_requests_passes_the_stages(echo, bearer):
    answer = await echo.Gather(iter([SayRequest(text="a"), SayRequest(text="b")]), metadata=bearer())

    assert answer.text == "a b"


async def test_each_request_of_a_stream_is_validated(echo, bearer):
    requests = [SayRequest(text="a"), SayRequest(text="x" * 21)]

    async with refused("INVALID_ARGUMENT", "INVALID_REQUEST") as seen:
        await echo.Gather(iter(requests), metadata=bearer())
    assert seen.error.field == "text"
    async with refused("UNAUTHENTICATED"):
        await echo.Gather(iter(requests))
