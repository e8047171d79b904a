# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a report as a document: text, HTML, ureport2, Sentry."""
