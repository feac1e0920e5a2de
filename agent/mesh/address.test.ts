import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../errors.ts';
import { type AddressInputs, candidate, chooseAddress, compareClaimants } from './address.ts';
import { parseClaim, serializeClaim } from './claim.ts';
import { inRange, isNodeAddress, isServiceAddress, parseIPv4, parseRange, serviceAddress } from './range.ts';

const RANGE = '10.42.0.0/16';
const first = (id: string, counter = 0, range = RANGE) => candidate('lab', id, counter, parseRange(range));

function inputs(over: Partial<AddressInputs> = {}): AddressInputs {
  return {
    cluster: 'lab',
    range: RANGE,
    id: 'm',
    claim: undefined,
    registered: {},
    others: [],
    voter: undefined,
    established: false,
    ...over,
  };
}

const held = (counter = 0) => ({ address: first('m', counter), counter, established: false, voter: false });
const card = (id: string, address: string, established = false) => ({ id, address, established });

test('an address depends on cluster, node and counter alone', () => {
  assert.equal(first('m'), first('m'));
  assert.notEqual(first('m'), first('n'));
  assert.notEqual(first('m'), first('m', 1));
  assert.notEqual(first('m'), candidate('other', 'm', 0, parseRange(RANGE)));
  // A golden: nodes of two versions of the agent must come to the same address.
  assert.equal(candidate('clusteros', 'node', 0, parseRange(RANGE)), '10.42.90.15');
});

test('no node gets the network, a service or the broadcast address, in ranges of every size', () => {
  for (let bits = 8; bits <= 24; bits++) {
    const range = parseRange(`10.0.0.0/${bits}`);
    for (let n = 0; n < 400; n++) {
      const address = candidate('lab', `node ${n}`, 0, range);
      assert.ok(isNodeAddress(range, address) && inRange(range, address), address);
      assert.ok(!isServiceAddress(range, address), address);
    }
  }
});

test('service addresses are at the end of the range', () => {
  assert.equal(serviceAddress(RANGE, 1), '10.42.255.1');
  assert.equal(serviceAddress('10.0.0.0/8', 254), '10.255.255.254');
  assert.equal(serviceAddress('192.168.7.0/24', 1), '192.168.7.241');
  assert.throws(() => serviceAddress('192.168.7.0/24', 15), RangeError);
  assert.throws(() => serviceAddress(RANGE, 0), RangeError);
  assert.ok(isServiceAddress(parseRange(RANGE), '10.42.255.1'));
  assert.ok(!isServiceAddress(parseRange(RANGE), '10.42.255.255'));
});

test('what is no address is none', () => {
  for (const text of ['', '1.2.3', '1.2.3.256', '01.2.3.4', '1.2.3.4\n', '1.2.3.4.5', '::1']) {
    assert.equal(parseIPv4(text), undefined, text);
  }
  for (const text of ['10.42.0.1/16', '10.0.0.0/7', '10.0.0.0/25', '10.0.0.0', 'x/16']) {
    assert.throws(() => parseRange(text), RangeError, text);
  }
});

test('a new node avoids what others have', () => {
  assert.equal(chooseAddress(inputs())?.address, first('m'));
  const taken = inputs({ registered: { [first('m')]: 'x' }, others: [card('y', first('m', 1))] });
  assert.deepEqual(chooseAddress(taken), { ...held(2) });
});

test('the registry decides before all else', () => {
  const address = '10.42.9.9';
  const theirs = inputs({ claim: held(), registered: { [address]: 'm' } });
  assert.equal(chooseAddress(theirs)?.address, address);
  const lost = inputs({ claim: held(), registered: { [held().address]: 'a' }, established: true });
  assert.equal(chooseAddress(lost)?.address, first('m', 1));
  const won = inputs({
    claim: held(),
    registered: { [held().address]: 'm' },
    others: [card('a', held().address, true)],
  });
  assert.equal(chooseAddress(won)?.address, held().address);
});

test('without a registry the node in a cluster keeps its address, then the lower id', () => {
  const against = (other: string, theirs: boolean, ours: boolean) =>
    chooseAddress(inputs({ claim: held(), others: [card(other, held().address, theirs)], established: ours }))
      ?.counter;
  assert.equal(against('a', false, true), 0);
  assert.equal(against('z', true, false), 1);
  assert.equal(against('a', false, false), 1);
  assert.equal(against('z', false, false), 0);
  assert.equal(against('a', true, true), 1);
});

test('of two nodes that claim one address exactly one moves, whatever they are', () => {
  for (const a of [true, false]) {
    for (const b of [true, false]) {
      const one = { id: 'a', address: '10.42.0.9', established: a };
      const two = { id: 'b', address: '10.42.0.9', established: b };
      assert.equal(compareClaimants(one, two, {}), -compareClaimants(two, one, {}));
    }
  }
});

test('a voter keeps its address against everybody, also before consensus has spoken', () => {
  const others = [card('a', held().address, true)];
  assert.equal(chooseAddress(inputs({ claim: held(), others, voter: true }))?.address, held().address);
  const remembered = inputs({ claim: { ...held(), voter: true }, others });
  assert.equal(chooseAddress(remembered)?.address, held().address);
  assert.equal(chooseAddress({ ...remembered, voter: false })?.counter, 1);
});

test('a claim outside the range is given up, and a full range is told', () => {
  const claim = { ...held(), address: '10.99.0.1' };
  assert.equal(chooseAddress(inputs({ claim }))?.address, first('m'));
  const range = '10.42.7.0/24';
  const registered = Object.fromEntries(Array.from({ length: 256 }, (_, n) => [`10.42.7.${n}`, 'x']));
  assert.equal(chooseAddress(inputs({ range, registered })), undefined);
});

test('a claim survives the disk, and a damaged one is refused with its file', () => {
  assert.deepEqual(parseClaim(serializeClaim(held()), 'f'), held());
  for (const text of ['', 'null', '{}', '{"version":2}', serializeClaim({ ...held(), address: 'x' })]) {
    assert.throws(
      () => parseClaim(text, '/state/mesh.json'),
      (error) =>
        error instanceof AgentError && error.code === 'mesh.claim' && /mesh\.json/.test(error.message),
    );
  }
});
