"""openai, on the OpenAI-compatible routes: under Google's path and under OpenAI's own."""

import openai
from openai import AsyncOpenAI, OpenAI

from frame import *

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def client(key=OWN, path="/v1beta/openai/", base=BASE_URL, retries=0):
    return OpenAI(api_key=key, base_url=base + path, max_retries=retries)


def ask(mine, words, **more):
    messages = [{"role": "user", "content": words}]
    return mine.chat.completions.create(model=FLASH, messages=messages, **more)


@check("chat: an answer under Google's path and under OpenAI's")
def _():
    for path in ("/v1beta/openai/", "/v1"):
        answer = ask(client(path=path), "a red apple")
        assert "a red apple" in answer.choices[0].message.content
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.total_tokens > 0
    assert {a["path"] for a in sim.arrivals()} == {"/v1beta/openai/chat/completions"}


@check("chat: an even share of every key")
def _():
    for n in range(3 * len(KEYS)):
        ask(client(), f"share {n}")
    seen = keys_of(sim.arrivals())
    assert [seen.count(key) for key in KEYS] == [3] * len(KEYS), seen


@check("chat: several turns stay on one key")
def _():
    said = [{"role": "system", "content": "be brief"}]
    for turn in ("turn the first", "turn the second", "turn the third"):
        said.append({"role": "user", "content": turn})
        answer = client().chat.completions.create(model=FLASH, messages=said)
        assert turn in answer.choices[0].message.content
        said.append({"role": "assistant", "content": answer.choices[0].message.content})
    assert len(set(keys_of(sim.arrivals()))) == 1


@check("stream: whole, with its ending and its usage")
def _():
    stream = ask(client(), "one two three four five six seven", stream=True,
                 stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert len(chunks) > 1 and "three four five" in text, text
    assert any(c.choices and c.choices[0].finish_reason == "stop" for c in chunks)


@check("stream: a broken one raises")
def _():
    sim.fault(**BROKEN_STREAM)
    raises(Exception, lambda: list(ask(client(), "break me " * 20, stream=True)))


@check("tools: called, answered, used")
def _():
    said = [{"role": "user", "content": "call weather"}]
    answer = client().chat.completions.create(model=FLASH, messages=said, tools=[WEATHER])
    calls = answer.choices[0].message.tool_calls
    assert calls[0].function.name == "weather", answer
    said.append(answer.choices[0].message.model_dump(exclude_none=True))
    said.append({"role": "tool", "tool_call_id": calls[0].id, "content": "sunny"})
    answer = client().chat.completions.create(model=FLASH, messages=said, tools=[WEATHER])
    assert answer.choices[0].message.content


@check("embeddings: one and several")
def _():
    for path in ("/v1beta/openai/", "/v1"):
        answer = client(path=path).embeddings.create(model=EMBEDDER, input=["apple", "pear"])
        assert len(answer.data) == 2 and len(answer.data[0].embedding) > 8
        assert answer.data[0].embedding != answer.data[1].embedding


@check("models: list and get, with the own key")
def _():
    for path in ("/v1beta/openai/", "/v1"):
        assert f"models/{FLASH}" in [model.id for model in client(path=path).models.list()]
    assert FLASH in client().models.retrieve(FLASH).id
    assert set(keys_of(sim.arrivals())) == {OWN}


@check("images: stay on the own key")
def _():
    answer = client().images.generate(model=IMAGEN, prompt="a pear", response_format="b64_json")
    assert answer.data[0].b64_json
    assert set(keys_of(sim.arrivals())) == {OWN}


@check("async: chat and stream")
async def _():
    mine = AsyncOpenAI(api_key=OWN, base_url=BASE_URL + "/v1")
    said = [{"role": "user", "content": "asynchronous words"}]
    answer = await mine.chat.completions.create(model=FLASH, messages=said)
    assert "asynchronous words" in answer.choices[0].message.content
    stream = await mine.chat.completions.create(model=FLASH, messages=said, stream=True)
    text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
    assert "asynchronous words" in text


@check("errors: each has its type")
def _():
    error = raises(openai.NotFoundError, lambda: client().chat.completions.create(
        model="gemini-0-none", messages=[{"role": "user", "content": "x"}]))
    assert error.status_code == 404
    sim.fault(**MISREAD)
    raises(openai.BadRequestError, lambda: ask(client(), "x"))
    error = raises(openai.BadRequestError, lambda: ask(client(NOBODYS), "x"))
    assert NOBODYS not in str(error)


@check("errors: 429 is told to wait, and a useless retry is not made")
def _():
    sim.fault(**EVERY_KEY_SPENT)
    lite = lambda retries: client(retries=retries).chat.completions.create(
        model="gemini-2.5-flash-lite", messages=[{"role": "user", "content": "x"}])
    raises(openai.RateLimitError, lambda: lite(0))
    sim.arrivals()
    error = raises(openai.RateLimitError, lambda: lite(2))
    assert int(error.response.headers["retry-after"]) > 0
    assert error.response.headers.get("x-should-retry") == "false"
    assert sim.arrivals() == []


@check("errors: 503 after other keys were tried")
def _():
    sim.fault(**OVERLOADED)
    assert raises(openai.InternalServerError, lambda: ask(client(), "x")).status_code == 503
    asked = keys_of(sim.arrivals())
    assert len(asked) == len(set(asked)) == min(4, len(KEYS)), asked


main()
