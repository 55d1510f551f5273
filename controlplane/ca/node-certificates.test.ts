import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { CertificateAuthority } from './authority.ts';
import { NodeCertificates } from './node-certificates.ts';
import { MemoryState } from './state-dir.ts';

const orders = 'spiffe://a.test/ns/default/sa/orders';
const HOUR_MS = 3_600_000;

describe('certificates of nodes', () => {
  let timers: FakeTimers;
  let certificates: NodeCertificates;
  let issued: () => Promise<void>;
  let count: number;

  beforeEach(async () => {
    timers = new FakeTimers();
    count = 0;
    let wake: () => void = () => {};
    issued = () => new Promise((resolve) => (wake = resolve));
    certificates = new NodeCertificates({
      authority: await CertificateAuthority.open(new MemoryState(), timers.clock),
      clock: timers.clock,
      random: () => 0.5,
      timers,
      logger: silentLogger(),
      onIssued: () => {
        count++;
        wake();
      },
    });
  });

  async function first(spiffeId = orders) {
    const done = issued();
    certificates.get('default/a', spiffeId, HOUR_MS);
    await done;
    return certificates.get('default/a', spiffeId, HOUR_MS);
  }

  it('has none at first, and asks for another round when it was issued', async () => {
    const done = issued();
    assert.equal(certificates.get('default/a', orders, HOUR_MS), null);
    assert.equal(certificates.get('default/a', orders, HOUR_MS), null);
    await done;
    assert.equal(certificates.get('default/a', orders, HOUR_MS)?.spiffeId, orders);
    assert.equal(count, 1, 'two questions, one certificate');
  });

  it('renews at half life and keeps the old one until then', async () => {
    const old = await first();
    timers.advance(HOUR_MS / 2 - 10_001);
    assert.equal(certificates.get('default/a', orders, HOUR_MS), old);
    const done = issued();
    timers.advance(20_000);
    await done;
    assert.notEqual(certificates.get('default/a', orders, HOUR_MS), old);
  });

  it('renews within ten seconds after the wall clock jumped', async () => {
    const old = await first();
    timers.clock.advance(10 * HOUR_MS);
    const done = issued();
    timers.advance(10_000);
    await done;
    assert.notEqual(certificates.get('default/a', orders, HOUR_MS), old);
  });

  it('never hands out a certificate of another identity', async () => {
    await first();
    assert.equal(
      certificates.get('default/a', 'spiffe://a.test/ns/default/sa/other', HOUR_MS),
      null,
    );
  });

  it('forgets nodes that left', async () => {
    await first();
    certificates.retain(new Set());
    assert.equal(certificates.get('default/a', orders, HOUR_MS), null);
  });

  it('signs a few at a time, in the order in which they are needed, and none for who left', async () => {
    const asked: string[] = [];
    const finish: (() => void)[] = [];
    const issue: CertificateAuthority['issue'] = (spiffeId) => {
      asked.push(spiffeId);
      return new Promise((resolve) => {
        const [certificatePem, privateKeyPem] = ['', ''];
        const validity = { notBeforeMs: 0, notAfterMs: HOUR_MS };
        finish.push(() => resolve({ certificatePem, privateKeyPem, spiffeId, ...validity }));
      });
    };
    const { clock } = timers;
    const options = { clock, timers, random: () => 0.5, logger: silentLogger() };
    let done = 0;
    const many = new NodeCertificates({ ...options, authority: { issue }, onIssued: () => done++ });
    const nodes = Array.from({ length: 10 }, (_, i) => `default/${i}`);
    for (const node of nodes) many.get(node, node, HOUR_MS);
    assert.deepEqual(asked, nodes.slice(0, 4));
    many.retain(new Set(nodes.filter((node) => node !== 'default/4')));
    while (finish.length > 0) {
      finish.shift()?.();
      await new Promise(setImmediate);
    }
    assert.deepEqual(
      asked,
      nodes.filter((node) => node !== 'default/4'),
    );
    assert.equal(done, 9);
    many[Symbol.dispose]();
  });
});
