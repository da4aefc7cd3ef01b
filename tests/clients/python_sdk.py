"""The Python SDK as a client, over standard input and output and over HTTP, in the newest protocol and in the older one."""

import asyncio

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult

from host import check


def run(command):
    for mode in ("auto", "legacy"):
        server = StdioServerParameters(command=command[0], args=command[1:])
        asyncio.run(talk(server, mode))
        asyncio.run(is_asked(server, mode))


def run_over_http(server):
    for mode in ("auto", "legacy"):
        asyncio.run(talk_over_http(server, mode))


async def talk_over_http(server, mode):
    fields = {"Authorization": f"Bearer {server.agent}"}
    async with httpx2.AsyncClient(headers=fields) as http:
        await talk(streamable_http_client(f"{server.agents}/mcp", http_client=http), mode)
        if mode == "auto":
            # Without a session, an older client cannot be asked.
            await is_asked(streamable_http_client(f"{server.agents}/mcp", http_client=http), mode)


async def talk(server, mode):
    async with Client(server, mode=mode, read_timeout_seconds=60) as client:
        print(f"Python SDK, mode {mode}, protocol {client.protocol_version}", flush=True)
        await lists(client)
        await calls(client)
        await is_refused(client)


async def lists(client):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    check("the tools are listed", {"get_forecast", "open_issue", "create_charge"} <= set(tools), sorted(tools))
    forecast = tools["get_forecast"]
    check("a tool says what it takes", "city" in forecast.input_schema["properties"], forecast.input_schema)
    check("and that it only reads", forecast.annotations.read_only_hint is True, forecast.annotations)


async def calls(client):
    answer = await client.call_tool("get_forecast", {"city": "Berlin"})
    seen = answer.structured_content
    check("a call without a secret answers", not answer.is_error and seen["place"] == "Berlin, Germany", answer)
    answer = await client.call_tool("list_issues", {"owner": "acme", "repo": "site"})
    check("a call with a credential answers", not answer.is_error, answer)
    check("and holds no credential", "ghp_" not in answer.model_dump_json(), answer)


async def is_refused(client):
    elsewhere = {"owner": "evil", "repo": "site", "title": "hello"}
    await ends_with(client, "not-granted", "open_issue", elsewhere)
    await ends_with(client, "arguments", "get_forecast", {"city": 7})
    charge = {"amount": 4_200, "currency": "eur", "description": "Invoice 7731"}
    held = await ends_with(client, "held", "create_charge", charge)
    check("and names the approval", held.meta.get("toolward/approval"), held)
    try:
        answer = await client.call_tool("get_forecasts", {})
    except MCPError as error:
        check("a tool that is not there is a protocol error", "did you mean `get_forecast`" in str(error), error)
    else:
        check("a tool that is not there is a protocol error", False, answer)


async def is_asked(server, mode):
    answers, asked = ["accept", "decline"], []

    async def answer(_, question):
        asked.append(question.message)
        return ElicitResult(action=answers[len(asked) - 1])

    async with Client(server, mode=mode, read_timeout_seconds=60, elicitation_callback=answer) as client:
        charge = {"amount": 4_300, "currency": "eur", "description": "Invoice 7732"}
        await ends_with(client, "held", "create_charge", charge)
    once = "to accept does not approve it"
    check("a person who waits is asked again", len(asked) == 2 and all(once in words for words in asked), asked)


async def ends_with(client, code, tool, arguments):
    answer = await client.call_tool(tool, arguments)
    seen = (answer.meta or {}).get("toolward/code")
    check(f"`{tool}` ends with `{code}`", answer.is_error and seen == code, answer)
    check("and says so in words", answer.content[0].text.startswith(f"{code}: "), answer)
    return answer
