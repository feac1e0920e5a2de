import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDocument } from '../config/document.ts';
import { readEnvironment } from '../config/environment.ts';
import { resolveSettings } from '../config/resolve.ts';
import { DEFAULT_SETTINGS } from '../config/settings.ts';
import { mayPlace } from './place.ts';
import { WORKLOADS } from './workloads.ts';

test('every workload runs anywhere unless the settings say otherwise', () => {
  for (const { name } of WORKLOADS) assert.equal(mayPlace(name, DEFAULT_SETTINGS.workloads[name], {}), true);
});

test('a node says which label it lacks, or that its settings leave the workload to others, and what ends that', () => {
  const { settings, problems } = resolveSettings([
    readDocument('node.yaml', 'labels: {gpu: true, rack: 07}\nworkloads: {page: {where: "rack=07,!gpu"}}\n'),
  ]);
  assert.deepEqual(problems, undefined);
  assert.deepEqual(settings?.labels, { gpu: 'true', rack: '07' });
  assert.deepEqual(mayPlace('page', settings.workloads.page, settings.labels), {
    reason: 'it wants !gpu, and this node has gpu=true',
    endedBy: 'another label: node-agent label; or the setting workloads.page.where',
  });
  const off = resolveSettings([readEnvironment({ CLUSTEROS_WORKLOADS_PAGE_ENABLED: 'no' })]).settings;
  const placed = off && mayPlace('page', off.workloads.page, off.labels);
  assert.ok(placed !== undefined && placed !== true);
  assert.match(placed.reason, /leave it to others/);
});

test('labels and constraints come by the environment too, and a mistake names its variable', () => {
  const good = readEnvironment({
    CLUSTEROS_LABELS: 'disk=ssd, gpu=',
    CLUSTEROS_WORKLOADS_PAGE_WHERE: 'disk=ssd',
  });
  assert.deepEqual(good.problems, []);
  assert.deepEqual(good.raw, {
    labels: { disk: 'ssd', gpu: '' },
    workloads: { page: { where: 'disk=ssd' } },
  });
  const bad = readEnvironment({ CLUSTEROS_LABELS: 'Disk=ssd', CLUSTEROS_WORKLOADS_PAGE_WHERE: 'a b' });
  assert.deepEqual(bad.problems.map(({ setting }) => setting).sort(), [
    'CLUSTEROS_LABELS',
    'CLUSTEROS_WORKLOADS_PAGE_WHERE',
  ]);
});

test('a label without a value is a mistake with its place, not a label that is missing', () => {
  for (const [yaml, line] of [
    ['labels:\n  disk: ssd\n  gpu:\n', 3],
    ['labels: {gpu: ~}\n', 1],
    ['labels:\n  gpu: [a]\n', 2],
  ] as const) {
    const [problem, ...others] = readDocument('node.yaml', yaml).problems;
    assert.deepEqual([problem?.setting, problem?.line, others], ['labels.gpu', line, []], yaml);
    assert.match(problem?.expectation ?? '', /an empty one is gpu: ""/);
  }
  assert.deepEqual(readDocument('node.yaml', 'labels: {gpu: ""}\nworkloads:\n  page:\n').problems, []);
  const [variable] = readEnvironment({ CLUSTEROS_LABELS: 'gpu' }).problems;
  assert.deepEqual([variable?.setting, variable?.expectation.includes('gpu=')], ['CLUSTEROS_LABELS', true]);
});
