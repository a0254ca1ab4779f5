"""What tests of the command line share."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from golden.storage import save
from hdl_tests.harness.networks import random_qnetwork
from vitaccel import cli

Run = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Run:
    """Run the command line in this process: exit code, stdout, logged lines."""

    def call(*words: str | Path) -> tuple[int, str, list[str]]:
        monkeypatch.setattr(sys, "argv", ["vitaccel", *map(str, words)])
        capsys.readouterr()
        caplog.clear()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        ours = [record.getMessage() for record in caplog.records if record.name == "vitaccel"]
        return code if isinstance(code, int) else 0, out, ours

    return call


@pytest.fixture
def refused(run: Run) -> Callable[..., None]:
    """A configuration error: one line, exit code 3, no result."""

    def call(message: str, *words: str | Path) -> None:
        assert run(*words) == (3, "", [message])

    return call


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantised") / "network"
    save(random_qnetwork(dim=8, heads=2, log2=False, pot=0.0), folder)
    return folder
