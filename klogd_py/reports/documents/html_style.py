# SPDX-License-Identifier: GPL-2.0-or-later
"""Hold the style of the HTML page of reports: for light and dark, wide and narrow screens."""

STYLE = """\
:root { color-scheme: light dark; --text: #1c2126; --dim: #5d6873; --line: #d5dbe1;
  --page: #f6f7f9; --card: #fff; --fatal: #b3261e; --error: #b4510a; --warning: #7d6300;
  --hang: #5b3fa0; --mark: #fff1c9; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e8ec; --dim: #9aa6b2; --line: #3a434c; --page: #14181c; --card: #1d2329;
    --fatal: #ff8a80; --error: #ffab6b; --warning: #e8c94a; --hang: #b9a3ff; --mark: #4a3d10; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.25rem; max-width: 64rem; background: var(--page);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
article, nav { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 1.25rem 1.5rem; margin-bottom: 1.5rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 .25rem; }
nav ol { margin: 0; padding-left: 1.5rem; }
h2 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
.where { margin: 0 0 .9rem; }
.where, pre, ol.stack, code { font-family: ui-monospace, "DejaVu Sans Mono", monospace;
  font-size: .875rem; }
.severity { display: inline-block; border: 1px solid currentColor; border-radius: 1rem;
  padding: 0 .6rem; margin: 0 .4rem .4rem 0; font-size: .8rem; font-weight: 600; }
.fatal { color: var(--fatal); } .error { color: var(--error); }
.warning { color: var(--warning); } .hang { color: var(--hang); } .low { color: var(--dim); }
dl { display: grid; grid-template-columns: 7rem 1fr; gap: .2rem 1rem; margin: 0 0 1rem; }
dt { color: var(--dim); } dd { margin: 0; }
ol.stack { list-style: none; margin: 0; padding: 0; }
ol.stack > li, ol.stack li { padding: .05rem .5rem; }
ol.stack ol { list-style: none; padding: 0; }
.blamed { background: var(--mark); border-radius: 4px; font-weight: 600; }
.noise, .unreliable, .source, summary, figcaption { color: var(--dim); }
.source { margin-left: .75rem; font-weight: 400; }
summary { cursor: pointer; }
pre { margin: .4rem 0 0; padding: .75rem; border: 1px solid var(--line); border-radius: 6px;
  overflow-x: auto; }
pre.code { white-space: pre-wrap; }
mark { background: var(--mark); color: inherit; font-weight: 600; }
.timeline { margin: 0 0 1rem; }
.timeline svg { display: block; width: 100%; height: 2.25rem; }
.timeline path { stroke: var(--error); stroke-width: 2; vector-effect: non-scaling-stroke; }
.timeline .axis { stroke: var(--line); }
figcaption { display: flex; justify-content: space-between; flex-wrap: wrap; gap: 0 1rem;
  font-size: .8rem; }
footer { color: var(--dim); font-size: .8rem; }
a { color: inherit; }
@media (max-width: 36rem) {
  body { padding: .6rem; } article, nav { padding: .9rem; }
  dl { grid-template-columns: 5.2rem 1fr; gap: .2rem .6rem; font-size: .925rem; }
  .source { display: block; margin-left: 0; }
}
@media print { body { background: none; max-width: none; } article { border: 0; padding: 0; } }
"""
