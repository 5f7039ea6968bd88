"""Scenario files: everything wrong is reported at once, each with its file and line."""

from pathlib import Path

import pytest

from engine.config import FeedConfig
from lab.errors import ScenarioError, UsageError
from lab.faults import DropOptions, LinkDownOptions, PauseOptions
from lab.scenario import load_scenario, load_scenarios, scenario_schema
from traffic.config import RecoveryBehaviour

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"

WHOLE = """\
title: Losing 64 packets on both lines is recovered within 5 ms
seed: 7
traffic: {source: model, symbols: 100, rate: 200k/s, duration: 10s, packing: 8}
engine:
  wire: af_xdp
  risk: default
  parameters: {order_shares: 200}
faults:
  - {do: drop, lines: [A, B], packets: 64, at: {sequence: 500k}}
  - {do: pause, for: 50ms, at: {time: 1s}}
  - {do: link_down, port: A, for: 200ms, at: {sequence: 700000}}
expect:
  wire_to_wire.p99: "< 40us"
  wire_to_wire.p99.9: "< 400us"
  pacing.within_2us: ">= 99%"
  faults.fired: "== 3"
  orders_while_blind: "== 0"
  book_matches_oracle: true
"""


def write(folder: Path, text: str, name: str = "one.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_scenarios([write(folder, text)], root=folder)
    return str(caught.value).splitlines()


def test_a_whole_scenario_is_read_into_integers(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, WHOLE))
    assert scenario.name == "one"
    assert (scenario.traffic.rate_per_s, scenario.traffic.duration_ns) == (200_000, 10_000_000_000)
    assert scenario.traffic.messages == 2_000_000
    assert scenario.traffic.packing.messages_max == 8
    assert scenario.engine.parameters.order_shares == 200
    drop, pause, link = scenario.faults
    assert isinstance(drop, DropOptions)
    assert isinstance(pause, PauseOptions)
    assert isinstance(link, LinkDownOptions)
    assert (drop.at.sequence, drop.packets, drop.lines) == (500_000, 64, ("A", "B"))
    assert (pause.for_ns, pause.duration_ns()) == (50_000_000, 50_000_000)
    assert scenario.expect["wire_to_wire.p99"].value == 40_000


def test_a_title_alone_is_a_scenario_with_every_default(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, "title: T\n"))
    assert scenario.traffic.kind == "model"
    assert scenario.traffic.messages == 500_000
    assert scenario.measure.wire_floor


def test_every_problem_of_a_file_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
titel: A misspelt key
traffic: {source: model, rate: 200k, duration: 1s}
engine:
  wire: af_xpd
  strategy: touch_taker
faults:
  - {do: dorp, packets: 1, at: {sequence: 1}}
  - {do: pause, for: 50, at: {time: 2s}}
expect:
  wire_to_wire.p98: "< 40us"
  wire_to_wire.p99: "< 40"
  counts.unmatched: "< 1ms"
"""
    found = problems(tmp_path, text)
    assert [line.split(": ")[0] for line in found] == [
        f"one.yaml:{line}" for line in (1, 1, 2, 4, 7, 8, 10, 11, 12)
    ]
    together = "\n".join(found)
    assert "titel: unknown key (did you mean title?)" in together
    assert "title: is required" in together
    assert "traffic.rate: '200k' is not a rate" in together
    assert "engine.wire: 'af_xpd' is not one of af_xdp, kernel, dpdk (did you mean af_xdp?)" in together
    assert "unknown fault 'dorp' (did you mean drop?)" in together
    assert "faults[1].for: 50 has no unit" in together
    assert "no such figure or check (did you mean wire_to_wire.p" in together
    assert "is compared with a duration with its unit" in together
    assert "is compared with a count" in together


def test_problems_of_several_files_are_reported_together(tmp_path: Path) -> None:
    write(tmp_path, "title: 1\n", "a.yaml")
    write(tmp_path, "title: T\nseed: -1\n", "b.yaml")
    with pytest.raises(ScenarioError) as caught:
        load_scenarios([tmp_path], root=tmp_path)
    assert [problem.where for problem in caught.value.problems] == ["a.yaml:1", "b.yaml:2"]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 0, "the file is empty"),
        ("- a\n", 1, "a mapping that starts with title:"),
        ("title: [\n", 2, "not YAML"),
        ("title: T\ntitle: U\n", 2, "given twice; first on line 1"),
        ("title: ''\n", 1, "title"),
        ("title: T\nseed: 1.5\n", 2, "seed"),
        ("title: T\nseed: true\n", 2, "seed"),
        ("title: T\n? [a]\n: 1\n", 2, "a key must be a word"),
        ("title: T\ntraffic: 3\n", 2, "a mapping is needed"),
        ("title: T\ntraffic: {file: nowhere.itch}\n", 2, "no file at nowhere.itch"),
        ("title: T\ntraffic: {source: model, pcap: x}\n", 2, "a second source"),
        ("title: T\ntraffic: {speed: 2}\n", 2, "belongs to file: and pcap: only"),
        ("title: T\ntraffic: {trex: x}\n", 2, "a mapping is needed"),
        ("title: T\ntraffic: {rate: 1/s, duration: 1ms}\n", 2, "less than one message"),
        ("title: T\ntraffic: {duration: 0s}\n", 2, "traffic.duration"),
        ("title: T\nfaults: {do: drop}\n", 2, "a list"),
        ("title: T\nfaults:\n  - drop\n", 3, "a mapping with do: NAME"),
        ("title: T\nfaults:\n  - {do: pause, for: 1ms, at: {time: 1s, sequence: 3}}\n", 3, "exactly one of"),
        ("title: T\nfaults:\n  - {do: pause, for: 1ms, at: {}}\n", 3, "exactly one of"),
        ("title: T\nfaults:\n  - {do: pause, for: 1ms, at: {time: 9s}}\n", 3, "after the end of the traffic"),
        (
            "title: T\nfaults:\n  - {do: drop, packets: 1, at: {sequence: 10M}}\n",
            3,
            "which has 500000 messages",
        ),
        ("title: T\nfaults:\n  - {do: drop, packets: 0, at: {sequence: 1}}\n", 3, "packets"),
        ("title: T\nfaults:\n  - {do: drop, lines: [C], packets: 1, at: {sequence: 1}}\n", 3, "lines"),
        ("title: T\nexpect: 5\n", 2, "a mapping of figures"),
        ("title: T\nexpect:\n  book_matches_oracle: false\n", 3, "asked for with true"),
        ("title: T\nexpect:\n  wire_to_wire.p99: [1]\n", 3, "a threshold"),
        ("title: T\nexpect:\n  wire_to_wire.p99: < 40us\n  wire_to_wire.p99: 1us\n", 4, "given twice"),
        ("title: T\nexpect:\n  response.p99_9: 1us\n  response.p99.9: 1us\n", 4, "the same figure as"),
        ("title: T\nexpect:\n  pacing.within_3us: '> 1%'\n", 3, "no such figure"),
        ("title: T\nexpect:\n  pacing.within_2us: '> 1us'\n", 3, "a percentage"),
        ("title: T\nexpect:\n  faults.broken: 0\n", 3, "no such figure"),
        ("title: T\nengine:\n  feed: {hold_bak: 1ms}\n", 3, "did you mean hold_back?"),
        ("title: T\nengine: {feed: {request_outstanding: 9}}\n", 2, "feed.request_outstanding"),
        ("title: T\nengine: {feed: {retry: 100}}\n", 2, "100 has no unit"),
        ("title: T\nengine: {recovery: [mail]}\n", 2, "engine.recovery"),
        ("title: T\ntraffic: {heartbeat: 10us}\n", 2, "traffic.heartbeat"),
        ("title: T\ntraffic: {recovery: {loss: 110%}}\n", 2, "traffic.recovery.loss"),
        ("title: T\ntraffic: {recovery: {loss: never}}\n", 2, "'never' is no probability"),
        ("title: T\nfaults:\n  - {do: drop, at: {sequence: 1}}\n", 3, "say how many packets"),
        (
            "title: T\nfaults:\n  - do: drop\n    packets: 9\n    at: {sequence: 1}\n"
            "    repeat: {times: 2, every: 8}\n",
            3,
            "is not over",
        ),
        (
            "title: T\nfaults:\n  - do: drop\n    packets: 9\n    at: {sequence: 1}\n"
            "    repeat: {times: 100, every: 10k}\n",
            6,
            "the last time is message 990001",
        ),
        (
            "title: T\nengine: {recovery: []}\nfaults:\n  - {do: refuse_requests, at: {time: 0s}}\n",
            4,
            "harms requests, which engine.recovery leaves out",
        ),
        (
            "title: T\nengine: {recovery: [requests]}\nfaults:\n  - do: drop\n    lines: [A, snapshot]\n"
            "    for: 1ms\n    at: {time: 0s}\n",
            4,
            "harms snapshots",
        ),
        (
            "title: T\nfaults:\n" + 9 * "  - {do: drop, lines: [B], packets: 1, at: {sequence: 1}}\n",
            11,
            "B takes at most 8 faults",
        ),
        (
            "title: T\nfaults:\n" + 9 * "  - {do: delay, by: 1us, packets: 1, at: {sequence: 1}}\n",
            11,
            "the exchange takes at most 8 faults",
        ),
        (
            "title: T\nfaults:\n"
            + "".join(f"  - {{do: session_roll, at: {{sequence: {n}}}}}\n" for n in range(5, 9)),
            6,
            "at most 4 sessions",
        ),
        (
            "title: T\nfaults:\n" + 2 * "  - {do: session_roll, at: {sequence: 9}}\n",
            4,
            "a session begins with this message already",
        ),
        (
            "title: T\nfaults:\n  - {do: session_roll, at: {sequence: 1}}\n",
            3,
            "begins with this message already",
        ),
        (
            "title: T\nfaults:\n  - do: session_roll\n    at: {sequence: 9}\n    session: TAILGATE01\n",
            5,
            "is called TAILGATE01 already",
        ),
        ("title: T\nexpect:\n  feed_quality.lines.A.lost_percent: '< 1ms'\n", 3, "a percentage"),
        ("title: T\nengine: {strategy: reflector}\nexpect: {book_matches_oracle: true}\n", 1, "cannot hold"),
    ],
)
def test_each_mistake_names_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1, found
    assert found[0].startswith(f"one.yaml:{line}: " if line else "one.yaml: ")
    assert said in found[0]


FEED = """\
title: T
parameters: {attempts: {help: How often., default: "7"}}
traffic:
  heartbeat: 50ms
  recovery:
    messages_max: 20
    rate: 2k/s
    delay: 30us
    loss: 5%
    lose_requests: 3
    history: 10k
    snapshot_cut_connections: 2
    snapshot_cut_after: 50
    snapshot_delay: 1ms
    snapshot_wrong_sequence: -4
engine:
  recovery: [snapshots]
  feed:
    hold_back: 20us
    line_silence: 100ms
    delivery: best_effort
    request_messages: 2k
    request_outstanding: 8
    request_attempts: "${attempts}"
    request_timeout: 500us
    give_up: 50k
    snapshot_attempts: 2
    snapshot_timeout: 1s
    retry: 0s
"""


def test_recovery_is_read_into_the_names_that_engine_and_exchange_have(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, FEED))
    feed, recovery = scenario.engine.feed, scenario.traffic.recovery
    assert scenario.engine.recovery == ("snapshots",)
    policy = {name: getattr(feed, name) for name in type(feed).model_fields if name != "start"}
    assert FeedConfig(**policy).model_dump() == {
        **FeedConfig().model_dump(),
        "hold_back_ns": 20_000,
        "line_silence_ns": 100_000_000,
        "delivery": "best_effort",
        "request_messages_max": 2_000,
        "request_outstanding_max": 8,
        "request_attempts": 7,
        "request_timeout_ns": 500_000,
        "give_up_messages": 50_000,
        "snapshot_attempts": 2,
        "snapshot_timeout_ns": 1_000_000_000,
        "retry_ns": 0,
    }
    assert scenario.traffic.heartbeat_ns == 50_000_000
    told = {name: getattr(recovery, name) for name in type(recovery).model_fields}
    assert RecoveryBehaviour(**told).model_dump() == {
        **RecoveryBehaviour().model_dump(),
        "messages_max": 20,
        "rate_per_s": 2_000,
        "delay_ns": 30_000,
        "loss": 0.05,
        "lose_requests": 3,
        "history_messages": 10_000,
        "snapshot_cut_connections": 2,
        "snapshot_cut_after": 50,
        "snapshot_delay_ns": 1_000_000,
        "snapshot_wrong_sequence": -4,
    }


def test_a_deep_or_endless_file_is_refused_and_not_followed(tmp_path: Path) -> None:
    assert "nested deeper" in problems(tmp_path, "title: " + "[" * 50 + "]" * 50)[0]
    assert "characters" in problems(tmp_path, "title: " + "x" * 1_100_000)[0]


def test_parameters_are_replaced_everywhere_and_given_on_the_command_line(tmp_path: Path) -> None:
    text = """\
title: At ${rate}
parameters:
  rate: {help: Messages per second., default: 10k/s}
  length: {help: How long.}
traffic: {rate: "${rate}", duration: "${length}"}
"""
    path = write(tmp_path, text)
    scenario = load_scenarios([path], settings={"length": "2s"})[0]
    assert (scenario.title, scenario.traffic.messages) == ("At 10k/s", 20_000)
    with pytest.raises(UsageError, match=r"length has no value: How long\..*--set length=\.\.\."):
        load_scenario(path)
    with pytest.raises(UsageError, match=r"no such parameter.*declared: length, rate"):
        load_scenarios([path], settings={"lenght": "2s"})
    with pytest.raises(ScenarioError, match="'fast' does not start with a number"):
        load_scenarios([path], settings={"length": "2s", "rate": "fast"})


def test_an_undeclared_parameter_is_named_with_its_line(tmp_path: Path) -> None:
    found = problems(tmp_path, "title: T\ntraffic: {rate: '${speed}'}\n")
    assert any(line.startswith("one.yaml:2: traffic.rate: ${speed} is not a parameter") for line in found)


def test_a_scenario_is_found_by_name_without_its_ending(tmp_path: Path) -> None:
    write(tmp_path, "title: T\n", "steady.yaml")
    assert load_scenarios(["steady"], root=tmp_path)[0].name == "steady"
    with pytest.raises(UsageError, match=r"no scenario at stedy.*tailgate run steady"):
        load_scenarios(["stedy"], root=tmp_path)
    with pytest.raises(UsageError, match="no scenario given"):
        load_scenarios([], root=tmp_path)


def test_a_folder_without_scenarios_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no \*\.yaml"):
        load_scenarios([tmp_path])


def test_a_file_that_is_not_text_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot read"):
        load_scenario(tmp_path / "one.yaml")


def test_a_file_for_traffic_is_looked_for_beside_the_scenario_and_in_the_working_directory(
    tmp_path: Path,
) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "near.itch").touch()
    (tmp_path / "far.itch").touch()
    path = write(tmp_path / "suite", "title: T\ntraffic: {file: [near.itch, far.itch], speed: 2}\n")
    scenario = load_scenarios([path], root=tmp_path)[0]
    assert scenario.traffic.file == (str(tmp_path / "suite" / "near.itch"), str(tmp_path / "far.itch"))
    assert scenario.traffic.kind == "itch_file"
    assert scenario.traffic.messages is None


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_that_ships_is_valid_but_for_the_files_it_asks_for(path: Path) -> None:
    wrong = []
    try:
        scenario = load_scenario(path)
    except ScenarioError as error:
        wrong = [problem.message for problem in error.problems if "no file at" not in problem.message]
    except UsageError as error:
        wrong = [] if "has no value" in error.what else [str(error)]
    else:
        assert scenario.expect, "a scenario without an expectation has no hypothesis"
    assert wrong == []


RISK = """\
title: Limits
engine:
  risk:
    order_rate: 5
    order_shares_max: -1
    trips: {counted: [oder_rate]}
    soft:
      position_max: 10
    symbols:
      - {locate: 5, restrictd: true}
"""


def test_mistakes_in_a_table_of_limits_name_their_lines(tmp_path: Path) -> None:
    said = problems(tmp_path, RISK)
    lines = [line.split(":")[1] for line in said if line.startswith("one.yaml:")]
    assert lines == ["4", "5", "6", "10"], said
    assert "order_rate_per_s" in said[0]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("{soft: {position_max: 10}, position_max: 9}", "would never warn"),
        ("{symbols: [{stock: ACME}]}", "give the locate"),
        ("{symbols: [{locate: 1, profile: small}]}", "no profile small"),
        ("small", "a mapping is needed"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(tmp_path: Path, table: str, words: str) -> None:
    said = problems(tmp_path, f"title: T\nengine: {{risk: {table}}}\n")
    assert words in said[0]


def test_limits_reach_the_scenario_and_its_schema(tmp_path: Path) -> None:
    table = "{trips: {at_once: [collar, notional]}, session: {open_ns: 1, close_ns: 2}}"
    text = f"title: T\nengine: {{risk: {table}}}\n"
    risk = load_scenario(write(tmp_path, text)).engine.risk
    assert (risk.trips.at_once, risk.session and risk.session.close_ns) == (("collar", "notional"), 2)
    limits = scenario_schema()["$defs"]["RiskLimits"]["properties"]
    assert all(field.get("description") for field in limits.values())
    assert {"order_rate_per_s", "soft", "trips", "profiles", "symbols"} <= set(limits)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("command: kill symbol", "kill symbol needs with: {symbol: ...}"),
        ("command: line disable, with: {name: A}", "line disable needs with: {line: ...}"),
        ("command: kill all, with: {name: x}", "kill all takes no name"),
        ("command: limits, with: {path: /nowhere.yaml}", "/nowhere.yaml: No such file"),
    ],
)
def test_a_command_that_the_engine_would_refuse_is_refused_before_the_run(
    tmp_path: Path, fault: str, words: str
) -> None:
    said = problems(tmp_path, f"title: T\nfaults:\n  - {{do: ctl, {fault}, at: {{time: 1ms}}}}\n")
    assert words in said[0]
    assert said[0].startswith("one.yaml:3:")
