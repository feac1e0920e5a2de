import type { PageDocument } from './document.ts';

/** The page for people, refreshed by itself; everything in it is escaped. Pure. */
export function renderPage(it: PageDocument, at: Date): string {
  const { cluster, consensus } = it;
  const quorum = consensus?.quorum;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>${html(cluster?.name ?? 'Cluster-OS')}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${html(cluster?.name ?? 'Cluster-OS')}</h1>
<p>${mark(quorum === undefined ? 'quorum unknown' : quorum ? 'quorum' : 'no quorum', quorum)}${
    consensus?.leader === undefined ? '' : ` leader <b>${html(consensus.leader)}</b>`
  } · seen by <b>${html(it.name)}</b>, ${html(it.state)}</p>
</header>
${section(
  'Waiting for',
  (it.conditions ?? []).map(
    ({ summary, endedBy, since }) =>
      `<tr><td>${html(summary)}</td><td>${html(endedBy)}</td><td>${html(since)}</td></tr>`,
  ),
  ['what', 'ended by', 'since'],
)}
${section(
  'Members',
  (it.members ?? []).map(
    ({ name, id, evicted, status, place, meshAddress, since }) =>
      `<tr><td title="${html(id)}">${html(name ?? id)}</td><td>${evicted ? mark('evicted', false) : mark(status, isGood(status))}</td>` +
      `<td>${html(place)}</td><td>${html(meshAddress)}</td><td>${html(since)}</td></tr>`,
  ),
  ['name', 'state', 'place', 'address', 'since'],
)}
${section(
  'Roles',
  (it.roles ?? []).map(
    ({ role, holder, address, since, reason }) =>
      `<tr><td>${html(role)}</td><td>${holder === undefined ? mark('nobody', false) : html(holder)}` +
      `</td><td>${html(address)}</td><td>${html(holder === undefined ? reason : since)}</td></tr>`,
  ),
  ['role', 'holder', 'address', 'since'],
)}
<footer>${html(at.toISOString())}</footer>
</body>
</html>
`;
}

/** Text in HTML, in elements and quoted attributes; control characters and bidirectional overrides are left out. */
export function html(text: string | undefined): string {
  return (text ?? '')
    .replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '')
    .replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function section(title: string, rows: readonly string[], heads: readonly string[]): string {
  if (rows.length === 0) return '';
  const head = heads.map((word) => `<th>${html(word)}</th>`).join('');
  return `<section><h2>${html(title)}</h2><table><thead><tr>${head}</tr></thead><tbody>
${rows.join('\n')}
</tbody></table></section>`;
}

function mark(word: string | undefined, good: boolean | undefined): string {
  const kind = good === undefined ? 'unknown' : good ? 'good' : 'bad';
  return `<span class="${kind}">${html(word)}</span>`;
}

function isGood(status: string | undefined): boolean | undefined {
  if (status === undefined) return undefined;
  return status === 'alive';
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin: 0 } h2 { margin: 1.5rem 0 .25rem; font-size: 1.1rem }
section { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere }
th { font-weight: 600; opacity: .7 }
span { padding: 0 .5em; border-radius: 1em; white-space: nowrap }
.good { background: #2a84; } .bad { background: #c334; } .unknown { background: #8884 }
footer { margin-top: 2rem; opacity: .6; font-size: .85rem }`;
