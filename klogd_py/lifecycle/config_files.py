# SPDX-License-Identifier: GPL-2.0-or-later
"""Load the configuration files of one run, and tell whether they changed since then."""

from pathlib import Path

from klogd_py.config import loader
from klogd_py.config.loader import FilesVersion
from klogd_py.config.run_options import RunOptions
from klogd_py.config.schema import Config


class ConfigFiles:
    """The configuration file and its directory of drop-ins. Mutable: their state when last loaded.

    ``path`` is absolute, since a daemon changes its directory; ``drop_ins`` is ``path`` with ``.d``
    behind it. Neither has to exist.
    """

    def __init__(self, options: RunOptions) -> None:
        self.options = options
        self.path = Path(options.config_path or loader.DEFAULT_PATH).absolute()
        self.drop_ins = self.path.with_name(f"{self.path.name}.d")
        self._version: FilesVersion | None = None

    def load(self) -> Config:
        """Read the files and lay the options over them; raises ConfigError."""
        # Before the files are read: a change during the reading is one that is not loaded yet.
        self._version = loader.read_version(self.path)
        return self.options.load_config()

    def contain(self, path: Path) -> bool:
        """Return whether a changed path belongs to the configuration."""
        return path.parent == self.drop_ins or path in (self.path, self.drop_ins)

    def have_changed(self) -> bool:
        """Return whether the files differ from those last loaded; ``False`` if they cannot be
        seen.
        """
        found = loader.read_version(self.path)
        return found is not None and found != self._version
