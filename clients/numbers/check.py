"""What operators measure by, checked against a real server's numbers.

Wants a Prometheus at PROMETHEUS_URL that has scraped the server at BASE_URL. The text of /metrics is read as
strictly as OpenMetrics is written; every number has its line in docs/metrics.md and every line its number; the
board is one for Grafana, with nothing in it that Grafana does not know; every query of the board and of the rules
runs, and names only what is there.
"""

import json
import os
import re
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.openmetrics.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "deploy/grafana/potluck.json"
RULES = ROOT / "deploy/prometheus/potluck.rules.yml"
TABLE = ROOT / "docs/metrics.md"
# What Grafana and its variables put in for these.
FILLED = {"$__rate_interval": "1m", "$instance": ".*"}
PATIENCE = 60
# So that there is something to count.
CALLS = 12


def main():
    for _ in range(CALLS):
        call()
    checks = [metrics_are_described, board_is_grafanas, queries_run, no_key_stands_in_metrics]
    failed = 0
    for check in checks:
        name = check.__name__.replace("_", " ")
        try:
            check()
            print(f"ok   {name}")
        except Exception as error:  # Whatever it is, it is why the check failed.
            failed += 1
            print(f"FAIL {name}: {error}")
    sys.exit(1 if failed else 0)


def call():
    model = "/v1beta/models/gemini-3.5-flash:generateContent"
    headers = {"x-goog-api-key": os.environ["KEYS"].split(",")[0], "content-type": "application/json"}
    body = json.dumps({"contents": [{"parts": [{"text": "x"}]}]}).encode()
    with urllib.request.urlopen(urllib.request.Request(os.environ["BASE_URL"] + model, body, headers)):
        pass


def metrics_are_described():
    told = {family.name: family.type for family in families()}
    described = dict(re.findall(r"^\| `potluck_(\w+)` \| (\w+) \|", TABLE.read_text(), re.M))
    described = {f"potluck_{name}": kind for name, kind in described.items()}
    differing = {item[0] for item in set(told.items()) ^ set(described.items())}
    assert not differing, f"differ between /metrics and docs/metrics.md: {sorted(differing)}"


def board_is_grafanas():
    """What Grafana's own types read and write again is all that there was."""
    board = json.loads(BOARD.read_text())
    again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    lost = list(missing(board, again, "board"))
    assert not lost, f"not Grafana's: {lost}"
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)), "two panels have one id"
    overlapping(board["panels"])


def missing(ours, theirs, where):
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            if name not in theirs:
                yield f"{where}.{name}"
            else:
                yield from missing(value, theirs[name], f"{where}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield where
        for at, (one, other) in enumerate(zip(ours, theirs)):
            yield from missing(one, other, f"{where}[{at}]")
    elif ours != theirs:
        yield where


def overlapping(panels):
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, f"{panel['title']} overlaps"
        taken |= cells


def queries_run():
    known = scraped()
    for where, query in queries():
        for text, value in FILLED.items():
            query = query.replace(text, value)
        names = set(re.findall(r"\b(?:potluck_\w+|up)\b", query))
        strange = names - known
        assert names and not strange, f"{where}: {strange} are not in /metrics"
        told = ask("query", query=query)
        assert told["status"] == "success", f"{where}: {told}"
        if where.startswith("board") and "> 0" not in query:
            assert told["data"]["result"], f"{where} shows nothing: {query}"


def queries():
    for panel in json.loads(BOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            yield f"board, {panel['title']}", target["expr"]
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield f"rule {rule['alert']}", rule["expr"]


def no_key_stands_in_metrics():
    text = metrics()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert label in {"kind", "le", "version"}, f"{family.name} has a label {label}"
                assert not re.search(r"AIza|AQ\.|k_[0-9a-f]{8}", value), family.name


def families():
    return list(text_string_to_metric_families(metrics()))


def metrics():
    with urllib.request.urlopen(f"{os.environ['BASE_URL']}/metrics") as answer:
        return answer.read().decode()


def scraped():
    """Names that Prometheus knows, once it has seen the counters twice."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        seen = ask("query", query='count_over_time(potluck_exchanges_total[1m])')["data"]["result"]
        if seen and float(seen[0]["value"][1]) >= 2:
            return set(ask("label/__name__/values")["data"])
        time.sleep(0.2)
    raise AssertionError("Prometheus has seen nothing")


def ask(path, **query):
    url = f"{os.environ['PROMETHEUS_URL']}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


main()
