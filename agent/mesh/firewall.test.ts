import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { matchesGolden } from '../../qemu/golden.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { renderFirewall } from './firewall.ts';

const settings = { ...DEFAULT_SETTINGS, firewall: { enabled: true, open: ['udp/53', 'tcp/80', 'tcp/80'] } };

test('the rules are those that were reviewed', async () => {
  await matchesGolden(new URL('./testing/firewall.nft.golden', import.meta.url), renderFirewall(settings));
});

test('nft takes the rules twice, leaves other tables alone, and shows one table of ours', () => {
  const input = `table inet other {\n}\n${renderFirewall(settings)}${renderFirewall(settings)}list tables\n`;
  const { status, stdout, stderr } = spawnSync('unshare', ['--net', 'nft', '-f', '-'], {
    input,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  assert.equal(stdout, 'table inet other\ntable inet clusteros\n');
});
