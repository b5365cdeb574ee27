"""What the Python suites share: named checks, and what Google's stand-in saw meanwhile.

A suite declares checks with `@check("name")` and ends with `main()`. After every check the
arrivals upstream are audited: exactly one credential, in the place that the route wants, and
nothing of the caller's that is not Google's business.
"""

import asyncio
import inspect
import json
import os
import sys
import time
import traceback
import urllib.error
import urllib.request

BASE_URL = os.environ["BASE_URL"]
BASE_URL_TLS = os.environ["BASE_URL_TLS"]
SIM_URL = os.environ["SIM_URL"]
KEYS = os.environ["KEYS"].split(",")
OWN = KEYS[0]
NOBODYS = "AIzaSyNobodyKnowsThisKeyAtAll0000000000"

FLASH = "gemini-2.5-flash"
THINKER = "gemini-3-flash-preview"
EMBEDDER = "gemini-embedding-001"
LIVE = "gemini-3.1-flash-live-preview"
IMAGEN = "imagen-4.0-generate-001"

# What the stand-in can be asked to do to the requests that follow.
BROKEN_STREAM = {"times": 1, "do": {"cut_body": {"after": 1}}}
EVERY_KEY_SPENT = {"do": {"sample": "quota_free_per_day"}}
MISREAD = {"times": 1, "do": {"sample": "invalid_argument_generic"}}
OVERLOADED = {"do": {"sample": "high_demand"}}

CHECKS = []


def check(name):
    """Declares a check; it may be async."""

    def declare(function):
        CHECKS.append((name, function))
        return function

    return declare


def call(url, method="GET", body=None, headers=None):
    """One plain HTTP call; returns (status, headers, parsed JSON or text)."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=dict(headers or {}))
    if data is not None and not isinstance(body, bytes):
        request.add_header("content-type", "application/json")
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read().decode()
    try:
        return answer.status, answer.headers, json.loads(text)
    except ValueError:
        return answer.status, answer.headers, text


class Sim:
    """The stand-in's control side."""

    def __init__(self):
        self.seen = 0

    def arrivals(self):
        """What arrived since the last look."""
        _, _, new = call(f"{SIM_URL}/sim/log?since={self.seen + 1}")
        if new:
            self.seen = new[-1]["id"]
        return new

    def fault(self, **rule):
        """Lets the next matching requests fail as the rule says."""
        status, _, answer = call(f"{SIM_URL}/sim/rules", "POST", rule)
        assert status < 300, answer

    def calm(self):
        """Takes all faults back."""
        call(f"{SIM_URL}/sim/rules", "DELETE")


sim = Sim()


def keys_of(arrivals):
    """The keys that requests went upstream with, in order."""
    return [arrival["key"] for arrival in arrivals if arrival["key"]]


PRIVATE = {
    "cookie", "origin", "referer", "forwarded", "via", "x-forwarded-for", "x-real-ip",
    "x-goog-user-project", "x-gemini-api-privileged-user-id", "x-server-timeout", "x-api-key",
}


def audit(arrival):
    """Raises unless the request reached Google as it should."""
    headers = dict(arrival["headers"])
    where = f"{arrival['method']} {arrival['path']}"
    query = arrival["query"] or ""
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    header = headers.get("x-goog-api-key", "")
    told = PRIVATE.intersection(headers)
    assert not told, f"{where} told Google {told}"
    assert "key=" not in query, f"{where} has a key in its query"
    if "upload_id=" in query:
        assert not bearer and not header, f"{where}: an upload's part needs no key"
    elif "/openai/" in arrival["path"]:
        assert bearer and not header, f"{where} wants Bearer alone"
    else:
        assert header and not bearer, f"{where} wants x-goog-api-key alone"


def contribute():
    """Every key shows itself once, so that the pool holds them all."""
    for key in KEYS:
        url = f"{BASE_URL}/v1beta/models/{FLASH}:generateContent"
        body = {"contents": [{"parts": [{"text": "hello"}]}]}
        status, _, answer = call(url, "POST", body, {"x-goog-api-key": key})
        assert status == 200, answer
    sim.arrivals()


def raises(kind, act):
    """The error of that kind which `act` must raise."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


def run_one(function):
    if inspect.iscoroutinefunction(function):
        asyncio.run(asyncio.wait_for(function(), 60))
    else:
        function()
    for arrival in sim.arrivals():
        audit(arrival)


def main():
    """Runs the checks; prints a line for each; exits 1 if any failed."""
    contribute()
    failed = 0
    for name, function in CHECKS:
        began = time.monotonic()
        try:
            run_one(function)
            print(f"ok   {name} ({time.monotonic() - began:.2f} s)", flush=True)
        except BaseException as error:  # an SDK may raise anything, SystemExit too
            failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {str(error)[:400]}", flush=True)
            if os.environ.get("TRACE"):
                traceback.print_exc()
        sim.arrivals()
        sim.calm()
    sys.exit(1 if failed else 0)
