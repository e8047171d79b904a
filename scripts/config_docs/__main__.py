# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the generated files: ``scripts/generate-config``, ``python -m scripts.config_docs``."""

from scripts.config_docs.documents import generate

if __name__ == "__main__":
    for path, text in generate().items():
        path.write_text(text)
