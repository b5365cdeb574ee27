"""google-genai, Google's own SDK for Python."""

import functools
import io
import json
import os

# Live insists on TLS: the suite's own authority stands where the system's would.
os.environ["SSL_CERT_FILE"] = os.environ["CA_FILE"]

from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from frame import *


@functools.cache  # a client that nobody holds closes itself in mid-call
def client(key=OWN, base=BASE_URL):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base))


@check("generate: text, usage and how it was served")
def _():
    answer = client().models.generate_content(model=FLASH, contents="a red apple")
    assert "a red apple" in answer.text, answer.text
    assert answer.usage_metadata.total_token_count > 0
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    headers = answer.sdk_http_response.headers
    assert headers["x-potluck-served-by"] in ("own", "pool"), headers


@check("generate: an even share of every key")
def _():
    mine = client()
    for n in range(3 * len(KEYS)):
        mine.models.generate_content(model=FLASH, contents=f"share {n}")
    seen = sim.arrivals()
    shares = [keys_of(seen).count(key) for key in KEYS]
    assert shares == [3] * len(KEYS), shares
    for arrival in seen:
        audit(arrival)


@check("generate: system instruction, parts and settings arrive")
def _():
    config = types.GenerateContentConfig(
        system_instruction="be brief", temperature=0.1, max_output_tokens=200,
        safety_settings=[types.SafetySetting(
            category="HARM_CATEGORY_HATE_SPEECH", threshold="BLOCK_NONE")],
        thinking_config=types.ThinkingConfig(thinking_budget=0),
    )
    pixel = types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n", mime_type="image/png")
    answer = client().models.generate_content(
        model=FLASH, contents=["what is this picture", pixel], config=config)
    assert "what is this picture" in answer.text
    body = json.loads(sim.arrivals()[-1]["body_head"])
    assert body["systemInstruction"]["parts"][0]["text"] == "be brief", body
    assert answer.sdk_http_response.headers["x-potluck-served-by"]


@check("stream: chunk by chunk, whole, with an ending")
def _():
    chunks = list(client().models.generate_content_stream(
        model=FLASH, contents="one two three four five six seven eight nine ten"))
    assert len(chunks) > 1
    assert "six seven" in "".join(chunk.text or "" for chunk in chunks)
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


@check("stream: a broken one raises")
def _():
    sim.fault(**BROKEN_STREAM)
    stream = client().models.generate_content_stream(model=FLASH, contents="break me " * 20)
    raises(Exception, lambda: list(stream))


@check("chat: turns stay on one key, signatures come back")
def _():
    chat = client().chats.create(model=THINKER)
    for turn in ("first turn", "second turn", "third turn"):
        assert turn in chat.send_message(turn).text
    seen = sim.arrivals()
    assert len(set(keys_of(seen))) == 1, keys_of(seen)
    assert "thoughtSignature" in seen[-1]["body_head"], "no signature was sent back"
    assert len(chat.get_history()) == 6


@check("chat: streamed")
def _():
    chat = client().chats.create(model=THINKER)
    for turn in ("streamed first", "streamed second"):
        assert turn in "".join(chunk.text or "" for chunk in chat.send_message_stream(turn))
    assert len(set(keys_of(sim.arrivals()))) == 1


@check("count tokens")
def _():
    assert client().models.count_tokens(model=FLASH, contents="a b c d").total_tokens > 0


@check("embed: one and several")
def _():
    answer = client().models.embed_content(model=EMBEDDER, contents=["apple", "pear"])
    assert len(answer.embeddings) == 2
    assert len(answer.embeddings[0].values) > 8
    assert answer.embeddings[0].values != answer.embeddings[1].values


@check("models: list and get, with the own key")
def _():
    names = [model.name for model in client().models.list(config={"page_size": 5})]
    assert f"models/{FLASH}" in names and len(names) == len(set(names)) > 5
    assert client().models.get(model=FLASH).name == f"models/{FLASH}"
    assert set(keys_of(sim.arrivals())) == {OWN}


@check("files: upload, use, list, delete, all with the own key")
def _():
    mine = client()
    config = types.UploadFileConfig(mime_type="text/plain", display_name="note")
    file = mine.files.upload(file=io.BytesIO(b"a note of mine"), config=config)
    assert file.size_bytes == 14 and file.uri, file
    assert file.name in [other.name for other in mine.files.list()]
    answer = mine.models.generate_content(model=FLASH, contents=["read the note", file])
    assert "read the note" in answer.text
    assert answer.sdk_http_response.headers["x-potluck-served-by"] == "own"
    assert mine.files.get(name=file.name).state == types.FileState.ACTIVE
    mine.files.delete(name=file.name)
    assert raises(errors.ClientError, lambda: mine.files.get(name=file.name)).code in (403, 404)
    assert set(keys_of(sim.arrivals())) == {OWN}


@check("files: 20 MB in pieces, byte for byte")
def _():
    mine = client()
    big = bytes(range(256)) * 80_000
    config = types.UploadFileConfig(mime_type="application/octet-stream")
    file = mine.files.upload(file=io.BytesIO(big), config=config)
    assert file.size_bytes == len(big), file
    assert len([a for a in sim.arrivals() if "upload_id=" in (a["query"] or "")]) >= 3


@check("files: another's file is refused as Google refuses it")
def _():
    config = types.UploadFileConfig(mime_type="text/plain")
    theirs = client(KEYS[1]).files.upload(file=io.BytesIO(b"not yours"), config=config)
    error = raises(errors.ClientError, lambda: client().files.get(name=theirs.name))
    assert error.code == 403, error


@check("caches: create, use, delete, with the own key")
def _():
    mine = client()
    config = types.CreateCachedContentConfig(contents=["long text " * 2000], ttl="600s")
    cache = mine.caches.create(model=FLASH, config=config)
    answer = mine.models.generate_content(
        model=FLASH, contents="ask the cache",
        config=types.GenerateContentConfig(cached_content=cache.name))
    assert "ask the cache" in answer.text
    assert cache.name in [other.name for other in mine.caches.list()]
    mine.caches.delete(name=cache.name)
    assert set(keys_of(sim.arrivals())) == {OWN}


@check("functions: called by the SDK itself")
def _():
    asked = []

    def weather(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "sunny"

    config = types.GenerateContentConfig(tools=[weather])
    answer = client().chats.create(model=FLASH, config=config).send_message("call weather")
    assert asked, "the model's call never reached the function"
    assert "sunny" in answer.text, answer
    assert len(set(keys_of(sim.arrivals()))) == 1


@check("structured output")
def _():
    class Fruit(BaseModel):
        name: str
        count: int

    answer = client().models.generate_content(
        model=FLASH, contents="a fruit",
        config=types.GenerateContentConfig(
            response_mime_type="application/json", response_schema=Fruit))
    assert isinstance(answer.parsed, Fruit), answer.text


@check("interactions: begun, continued, streamed, deleted, with the own key")
def _():
    mine = client().interactions
    first = mine.create(model=FLASH, input="an interaction")
    assert "an interaction" in first.output_text, first
    second = mine.create(model=FLASH, input="and another", previous_interaction_id=first.id)
    assert mine.get(second.id).id == second.id
    events = [event.event_type for event in mine.create(model=FLASH, input="x", stream=True)]
    assert events[-1] == "interaction.completed", events
    mine.delete(first.id)
    assert set(keys_of(sim.arrivals())) == {OWN}


@check("async: generate and stream")
async def _():
    mine = client().aio
    answer = await mine.models.generate_content(model=FLASH, contents="asynchronous")
    assert "asynchronous" in answer.text
    stream = await mine.models.generate_content_stream(model=FLASH, contents="async stream words")
    text = "".join([chunk.text or "" async for chunk in stream])
    assert "async stream words" in text


@check("errors: 404 for a model that is not")
def _():
    act = lambda: client().models.generate_content(model="gemini-0-none", contents="x")
    error = raises(errors.ClientError, act)
    assert (error.code, error.status) == (404, "NOT_FOUND"), error
    assert len(sim.arrivals()) == 1, "a caller's fault is asked once"


@check("errors: 400 with Google's words for what it cannot read")
def _():
    sim.fault(**MISREAD)
    act = lambda: client().models.generate_content(model=FLASH, contents="x")
    error = raises(errors.ClientError, act)
    assert (error.code, error.status) == (400, "INVALID_ARGUMENT"), error
    assert len(sim.arrivals()) == 1, "a caller's fault is asked once"


@check("errors: a bad key reads that it is bad, and no key is told")
def _():
    act = lambda: client(NOBODYS).models.generate_content(model=FLASH, contents="x")
    error = raises(errors.ClientError, act)
    assert error.code == 400 and "API_KEY_INVALID" in str(error.details), error
    assert NOBODYS not in str(error.details)


@check("errors: 429 when every key is spent, then answered without Google")
def _():
    sim.fault(**EVERY_KEY_SPENT)
    act = lambda: client().models.generate_content(model="gemini-2.5-flash-lite", contents="x")
    error = raises(errors.ClientError, act)
    assert (error.code, error.status) == (429, "RESOURCE_EXHAUSTED"), error
    sim.arrivals()
    error = raises(errors.ClientError, act)
    assert error.code == 429 and "RetryInfo" in str(error.details), error
    assert sim.arrivals() == []


@check("errors: 503 after other keys were tried")
def _():
    sim.fault(**OVERLOADED)
    act = lambda: client().models.generate_content(model=FLASH, contents="x")
    assert raises(errors.ServerError, act).code == 503
    asked = keys_of(sim.arrivals())
    assert len(asked) == len(set(asked)) == min(4, len(KEYS)), asked


@check("TLS: generate over https")
def _():
    answer = client(base=BASE_URL_TLS).models.generate_content(model=FLASH, contents="over TLS")
    assert "over TLS" in answer.text


async def talk(live):
    config = types.LiveConnectConfig(response_modalities=["TEXT"])
    async with live.connect(model=LIVE, config=config) as session:
        for words in ("hello over there", "and once more"):
            turn = types.Content(role="user", parts=[types.Part(text=words)])
            await session.send_client_content(turns=turn, turn_complete=True)
            heard = "".join([message.text or "" async for message in session.receive()])
            assert words in heard, heard


@check("Live: a session over wss")
async def _():
    await talk(client(base=BASE_URL_TLS).aio.live)


@check("Live: a session with an ephemeral token, which joins nothing")
async def _():
    _, _, before = call(f"{BASE_URL}/keycount")
    options = types.HttpOptions(base_url=BASE_URL_TLS, api_version="v1alpha")
    mine = genai.Client(api_key=OWN, http_options=options)
    token = mine.auth_tokens.create(config={"uses": 1})
    await talk(genai.Client(api_key=token.name, http_options=options).aio.live)
    seen = sim.arrivals()
    assert dict(seen[-1]["headers"])["authorization"] == f"Token {token.name}", seen[-1]
    assert call(f"{BASE_URL}/keycount")[2] == before


@check("Live: a bad model closes with Google's reason")
async def _():
    live = client(base=BASE_URL_TLS).aio.live
    try:
        async with live.connect(model="gemini-0-none", config={}) as session:
            await anext(session.receive())
    except Exception as error:
        assert "gemini-0-none" in str(error) or "1008" in str(error), error
    else:
        raise AssertionError("the session opened")


main()
