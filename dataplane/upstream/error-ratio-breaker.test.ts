import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { BREAKER_WORDS, type ErrorRatioBreakerData } from '../api/config/error-ratio-breaker.ts';
import { breakerSlot, ErrorRatioBreaker, REFUSED, readBreaker } from './error-ratio-breaker.ts';

const data: ErrorRatioBreakerData = {
  errorPercentThreshold: 50,
  minimumRequests: 4,
  windowMs: 1000,
  openTimeMs: 500,
  maxProbes: 2,
};

function scenario(given: Partial<ErrorRatioBreakerData> = {}) {
  const memory = new SharedArrayBuffer(BREAKER_WORDS * 4);
  const slot = breakerSlot(memory);
  const breaker = new ErrorRatioBreaker(slot, { ...data, ...given });
  let nowMs = 10_000;
  const request = (hasFailed: boolean): boolean => {
    const token = breaker.acquire(nowMs);
    assert.notEqual(token, REFUSED);
    return breaker.end(token, hasFailed, nowMs);
  };
  return {
    breaker,
    memory,
    request,
    /** Opens it. */
    open: () => {
      for (let i = 0; i < 4; i++) request(true);
      assert.equal(readBreaker(slot, nowMs).state, 'open');
    },
    advance: (ms: number) => {
      nowMs += ms;
    },
    now: () => nowMs,
    status: () => readBreaker(slot, nowMs),
  };
}

if (!isMainThread) {
  const breaker = new ErrorRatioBreaker(breakerSlot(workerData as SharedArrayBuffer), data);
  let taken = 0;
  for (let i = 0; i < 10_000; i++) if (breaker.acquire(11_000) !== REFUSED) taken++;
  parentPort?.postMessage(taken);
} else {
  test('opens at the share, once enough requests have ended', () => {
    const { breaker, request, status, now } = scenario();
    assert.deepEqual(status(), { state: 'closed', forMs: null, nextProbeInMs: null, reason: null });
    for (let i = 0; i < 3; i++) assert.equal(request(true), false, 'too few to say');
    assert.equal(request(false), false, 'what went well opens nothing');
    assert.equal(request(true), true);
    assert.equal(breaker.acquire(now()), REFUSED);
    assert.equal(breaker.allows(now()), false);
    assert.deepEqual(status(), {
      state: 'open',
      forMs: 0,
      nextProbeInMs: 500,
      reason: { requests: 5, failures: 4 },
    });
  });

  test('stays closed below the share, and forgets what is older than the window', () => {
    const { request, status } = scenario();
    for (const hasFailed of [false, false, true, false, true, false]) request(hasFailed);
    assert.equal(status().state, 'closed');
    const later = scenario();
    for (let i = 0; i < 3; i++) later.request(true);
    later.advance(1001);
    assert.equal(later.request(true), false);
  });

  test('probes that hang make room for others after open_time, and say nothing any more', () => {
    const { breaker, open, advance, now, status } = scenario();
    open();
    advance(500);
    const hanging = [breaker.acquire(now()), breaker.acquire(now())];
    advance(499);
    assert.equal(breaker.allows(now()), false);
    assert.equal(breaker.acquire(now()), REFUSED);
    advance(1);
    assert.equal(breaker.allows(now()), true);
    const others = [breaker.acquire(now()), breaker.acquire(now())];
    assert.equal(breaker.acquire(now()), REFUSED, 'no more than max_probes in that time');
    for (const probe of hanging) breaker.end(probe, true, now());
    assert.equal(status().state, 'half_open');
    for (const probe of others) breaker.end(probe, false, now());
    assert.equal(status().state, 'closed');
  });

  test('a thread whose clock was read before the breaker opened does not begin to probe', () => {
    const { breaker, open, now } = scenario();
    open();
    assert.equal(breaker.acquire(now() - 1), REFUSED);
  });

  test('a config with fewer probes than went well already closes it', () => {
    const { breaker, memory, open, advance, now, status } = scenario({ maxProbes: 5 });
    open();
    advance(500);
    const probes = [1, 2, 3].map(() => breaker.acquire(now()));
    for (const probe of probes.slice(1)) breaker.end(probe, false, now());
    const lower = new ErrorRatioBreaker(breakerSlot(memory), { ...data, maxProbes: 2 });
    assert.equal(lower.allows(now()), false, 'one is still under way');
    assert.equal(lower.acquire(now()), REFUSED);
    breaker.end(probes[0]!, false, now());
    assert.equal(lower.allows(now()), true);
    assert.notEqual(lower.acquire(now()), REFUSED);
    assert.equal(status().state, 'closed');
  });

  test('lets max_probes through after open_time, and closes when all of them went well', () => {
    const { breaker, open, advance, now, status } = scenario();
    open();
    advance(499);
    assert.equal(breaker.acquire(now()), REFUSED);
    advance(1);
    assert.equal(breaker.allows(now()), true);
    const probes = [breaker.acquire(now()), breaker.acquire(now())];
    assert.equal(breaker.acquire(now()), REFUSED, 'no more than that');
    assert.equal(breaker.allows(now()), false);
    assert.equal(status().state, 'half_open');
    breaker.end(probes[0]!, false, now());
    assert.equal(breaker.acquire(now()), REFUSED);
    breaker.end(probes[1]!, false, now());
    assert.equal(status().state, 'closed');
    assert.equal(breaker.end(breaker.acquire(now()), true, now()), false, 'it counts anew');
  });

  test('a probe that fails opens it again for the whole time', () => {
    const { breaker, open, advance, now, status } = scenario();
    open();
    advance(500);
    const [first, second] = [breaker.acquire(now()), breaker.acquire(now())];
    advance(100);
    assert.equal(breaker.end(first, true, now()), true);
    assert.equal(status().nextProbeInMs, 500);
    breaker.end(second, false, now());
    assert.equal(status().state, 'open', 'a probe of before says nothing');
  });

  test('a probe that was given up makes room for another', () => {
    const { breaker, open, advance, now } = scenario({ maxProbes: 1 });
    open();
    advance(500);
    const probe = breaker.acquire(now());
    assert.equal(breaker.acquire(now()), REFUSED);
    breaker.cancel(probe);
    assert.notEqual(breaker.acquire(now()), REFUSED);
    breaker.cancel(probe - 1);
    assert.equal(breaker.acquire(now()), REFUSED, 'one of another generation frees nothing');
  });

  test('what began before it opened changes nothing any more', () => {
    const { breaker, open, advance, now, status } = scenario();
    const early = breaker.acquire(now());
    open();
    assert.equal(breaker.end(early, true, now()), false);
    advance(500);
    breaker.acquire(now());
    breaker.end(early, true, now());
    assert.equal(status().state, 'half_open');
  });

  test('probes are bounded exactly over worker threads', async () => {
    const { memory, open } = scenario();
    open();
    const taken = await Promise.all(
      [0, 1].map(
        () =>
          new Promise<number>((resolve, reject) => {
            const worker = new Worker(new URL(import.meta.url), { workerData: memory });
            worker.once('message', resolve);
            worker.once('error', reject);
          }),
      ),
    );
    assert.equal(taken[0]! + taken[1]!, data.maxProbes);
  });

  test('the generation wraps around, and the state with it', () => {
    const { breaker, memory, now, status } = scenario({ maxProbes: 1 });
    const words = new Int32Array(memory);
    // Open, in the last generation, since long ago.
    words[0] = (0x3fff << 18) | 1;
    const probe = breaker.acquire(now());
    assert.ok(probe > 0);
    breaker.end(probe, false, now());
    assert.equal(status().state, 'closed');
  });
}
