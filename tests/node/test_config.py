"""Sources of configuration, their precedence, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.config import Config, ConfigError, load


def test_the_command_line_beats_the_environment_beats_the_files(tmp_path: Path) -> None:
    here, data = tmp_path / "here", tmp_path / "data"
    here.mkdir()
    data.mkdir()
    (data / "chainyard.toml").write_text('port = 1\nthreads = 1\nmax-mempool = 1\nlog = ["net=debug"]\n')
    (here / "chainyard.toml").write_text("port = 2\nthreads = 2\n")
    found = load({"datadir": data, "threads": 4}, {"CHAINYARD_PORT": "3", "HOME": "/"}, here)
    assert (found.port, found.threads, found.max_mempool, found.log) == (3, 4, 1, ("net=debug",))
    assert found.origins["port"] == "environment"
    assert found.origins["threads"] == "command line"
    assert found.origins["max_mempool"] == str(data / "chainyard.toml")
    assert "txindex" not in found.origins


def test_an_unknown_key_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "chainyard.toml").write_text("txindx = true\n")
    with pytest.raises(ConfigError) as e:
        load({"datadir": tmp_path / "data"}, {}, tmp_path)
    assert "'txindx'" in str(e.value) and "did you mean txindex?" in str(e.value)
    with pytest.raises(ConfigError):
        load({}, {"CHAINYARD_PORTT": "3"}, tmp_path / "nothing")


@pytest.mark.parametrize(
    ("text", "key"),
    [('port = "x"', "port"), ("txindex = 3", "txindex"), ("chain = 5", "chain"), ("port = 1.5", "port")],
)
def test_a_value_of_another_type_is_named(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "chainyard.toml").write_text(text)
    with pytest.raises(ConfigError) as e:
        load({"datadir": tmp_path / "data"}, {}, tmp_path)
    assert key in str(e.value)


def test_broken_toml_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "chainyard.toml").write_text("port = = 3")
    with pytest.raises(ConfigError) as e:
        load({"datadir": tmp_path / "data"}, {}, tmp_path)
    assert str(tmp_path / "chainyard.toml") in str(e.value)


def test_secrets_are_not_shown() -> None:
    config = Config(rpc_password="hunter2", rpc_auth=("u:s$h",))
    assert "hunter2" not in repr(config) and "u:s" not in repr(config)
