import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pageDocument } from './document.ts';
import { renderPage } from './render.ts';

const AT = new Date(0);
const HOSTILE = `"><script>alert(1)</script><img src=x onerror='alert(2)'>&\u202e\0`;

test('a hostile word in any place of the status makes no element and no attribute', () => {
  const all = {
    name: HOSTILE,
    state: HOSTILE,
    cluster: { name: HOSTILE },
    consensus: { quorum: true, leader: HOSTILE },
    members: [
      { id: HOSTILE, name: HOSTILE, status: HOSTILE, place: HOSTILE, meshAddress: HOSTILE, since: HOSTILE },
    ],
    roles: [{ role: HOSTILE, holder: HOSTILE, address: HOSTILE, since: HOSTILE, reason: HOSTILE }],
    conditions: [{ summary: HOSTILE, endedBy: HOSTILE, since: HOSTILE }],
  };
  const tags = (html: string) => html.match(/<[^>]*>/g)?.map((tag) => tag.replace(/title="[^"]*"/, 'title'));
  const plain = JSON.parse(JSON.stringify(all).replaceAll(JSON.stringify(HOSTILE), '"x"')) as unknown;
  const html = renderPage(pageDocument.parse(all), AT);
  assert.deepEqual(tags(html), tags(renderPage(pageDocument.parse(plain), AT)));
  assert.doesNotMatch(html, /[\u202e\0]/);
});

test('a status that says little, or other things, still makes a page', () => {
  for (const document of [{}, { members: 'none', roles: [{ role: 5 }], consensus: { quorum: 'yes' } }]) {
    assert.match(renderPage(pageDocument.parse(document), AT), /quorum unknown/);
  }
});

test('the page names the holder of a role, and the reason where there is none', () => {
  const roles = [
    { role: 'page', holder: 'alpha', address: '10.42.255.1' },
    { role: 'jobs', reason: 'no node may run it' },
  ];
  const html = renderPage(pageDocument.parse({ roles }), AT);
  assert.match(html, /alpha.*10\.42\.255\.1/s);
  assert.match(html, /nobody.*no node may run it/s);
});
