"""langchain-google-genai: chat models and embeddings as LangChain users have them."""

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_google_genai import ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings
from pydantic import BaseModel

from frame import *


def chat(**more):
    return ChatGoogleGenerativeAI(
        model=FLASH, google_api_key=OWN, base_url=BASE_URL, max_retries=0, **more)


def words(answer):
    """The text of an answer, whichever shape its content has."""
    return answer.text() if callable(answer.text) else answer.text


@check("invoke: a system message and a question")
def _():
    answer = chat().invoke([SystemMessage("be brief"), HumanMessage("a red apple")])
    assert "a red apple" in str(answer.content)
    assert answer.usage_metadata["total_tokens"] > 0


@check("invoke: several turns stay on one key")
def _():
    said = []
    for turn in ("the first turn", "the second turn", "the third turn"):
        said.append(HumanMessage(turn))
        answer = chat().invoke(said)
        assert turn in str(answer.content)
        said.append(AIMessage(answer.content))
    assert len(set(keys_of(sim.arrivals()))) == 1


@check("stream: whole")
def _():
    chunks = [str(chunk.content) for chunk in chat().stream("one two three four five six")]
    assert "two three four" in "".join(chunks), chunks


@check("async: invoke and stream")
async def _():
    assert "asynchronous" in str((await chat().ainvoke("asynchronous")).content)
    chunks = [str(chunk.content) async for chunk in chat().astream("a stream of words")]
    assert "a stream of words" in "".join(chunks)


@check("tools: bound and called")
def _():
    def weather(city: str) -> str:
        """The weather in a city."""
        return "sunny"

    answer = chat().bind_tools([weather]).invoke("call weather")
    assert answer.tool_calls[0]["name"] == "weather", answer


@check("structured output")
def _():
    class Fruit(BaseModel):
        """A fruit."""

        name: str

    made = chat().with_structured_output(Fruit, method="json_schema").invoke("a fruit")
    assert isinstance(made, Fruit), made


@check("embeddings: documents and a query")
def _():
    embed = GoogleGenerativeAIEmbeddings(
        model=f"models/{EMBEDDER}", google_api_key=OWN, base_url=BASE_URL)
    assert len(embed.embed_documents(["apple", "pear"])) == 2
    assert len(embed.embed_query("apple")) > 8


@check("errors: 429 with Google's words")
def _():
    sim.fault(**EVERY_KEY_SPENT)
    lite = ChatGoogleGenerativeAI(
        model="gemini-2.5-flash-lite", google_api_key=OWN, base_url=BASE_URL, max_retries=1)
    assert "RESOURCE_EXHAUSTED" in str(raises(Exception, lambda: lite.invoke("x")))


main()
