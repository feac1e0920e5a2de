import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseFirmware } from './firmware.ts';

function descriptor(name: string, features: string[], overrides: Record<string, unknown> = {}) {
  return {
    mapping: {
      device: 'flash',
      executable: { filename: `/f/${name}_CODE.fd`, format: 'raw' },
      'nvram-template': { filename: `/f/${name}_VARS.fd`, format: 'raw' },
    },
    targets: [{ architecture: 'x86_64', machines: ['pc-i440fx-*', 'pc-q35-*'] }],
    features,
    ...overrides,
  };
}

// As Debian 12's package ovmf has them.
const debian = [
  descriptor('ms', ['enrolled-keys', 'requires-smm', 'secure-boot']),
  descriptor('empty', ['requires-smm', 'secure-boot']),
  descriptor('plain', ['acpi-s3']),
];

test('Secure Boot takes the firmware with enrolled keys, and has it locked by SMM', () => {
  assert.deepEqual(chooseFirmware('secureboot', debian), {
    code: '/f/ms_CODE.fd',
    varsTemplate: '/f/ms_VARS.fd',
    smm: true,
  });
});

test('UEFI takes the firmware without Secure Boot', () => {
  assert.equal(chooseFirmware('uefi', debian)?.code, '/f/plain_CODE.fd');
});

test('firmware that would run with Secure Boot in setup mode does not count as Secure Boot', () => {
  assert.equal(chooseFirmware('secureboot', debian.slice(1)), undefined);
});

test('descriptors for other processors, other machines, qcow2 and memory-mapped firmware are passed over', () => {
  const others = [
    descriptor('arm', [], { targets: [{ architecture: 'aarch64', machines: ['virt-*'] }] }),
    descriptor('micro', [], { targets: [{ architecture: 'x86_64', machines: ['microvm'] }] }),
    descriptor('memory', [], { mapping: { device: 'memory', filename: '/f/AMDSEV.fd' } }),
    descriptor('stateless', [], {
      mapping: { device: 'flash', mode: 'stateless', executable: { filename: '/f/x', format: 'raw' } },
    }),
    {},
  ];
  assert.equal(chooseFirmware('uefi', others), undefined);
  assert.equal(chooseFirmware('uefi', [...others, ...debian])?.code, '/f/plain_CODE.fd');
});
