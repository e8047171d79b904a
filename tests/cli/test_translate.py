# SPDX-License-Identifier: GPL-2.0-or-later
from pathlib import Path
from random import Random

import pytest

from klogd_py.cli.translate import translate
from klogd_py.config.run_options import RunOptions
from klogd_py.config.symbol_options import SymbolOptions
from klogd_py.sources.input_file import InputFile
from tests.symbols.oopses import kernel


@pytest.mark.parametrize(("slide", "rewinds"), [(None, 1), (0, 0), (0x1000000, 0)])
def test_text_is_read_once_with_known_slide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slide: int | None, rewinds: int
) -> None:
    (tmp_path / "System.map").write_bytes(kernel(Random(1)).map)
    (tmp_path / "log").write_text("[    1.000000] eth0: link up\n")
    rewound: list[InputFile] = []
    monkeypatch.setattr(InputFile, "rewind", lambda content: rewound.append(content))
    symbols = SymbolOptions(map=str(tmp_path / "System.map"), slide=slide)
    options = RunOptions(config_path="/dev/null", symbols=symbols)
    assert translate(options, [str(tmp_path / "log")]) == 0
    assert len(rewound) == rewinds
