// The mini-garden: every HTTP/1 row of the reliability suite and some hundreds of mutations go through a real sidecar
// into real servers, and nobody may see other requests than we sent. 100,000 mutations: node test/garden/run.ts.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type ControlCase, controls } from '../garden/control.ts';
import { askPeer, Garden, type PayloadResult } from '../garden/garden.ts';
import type { Verdict } from '../garden/judge.ts';
import { corpusPayloads, framingVariants, mutatedPayloads } from '../garden/payloads.ts';
import { peerBinary, peerNames } from '../garden/peers.ts';
import { skipWithout } from './peers.ts';

/** Fixed: a failure here is a change of the code or of a peer. */
const SEED = 1;
const MUTATIONS = 400;

describe('mini-garden', () => {
  let results: PayloadResult[] = [];
  let logProblems: string[] = [];
  const controlled: { peer: string; control: ControlCase; verdict: Verdict }[] = [];

  before(async () => {
    const garden = await Garden.open({ lanes: 6, requestTimeoutMs: 500 });
    try {
      results = await garden.play([
        ...corpusPayloads(),
        ...framingVariants(),
        ...mutatedPayloads(SEED, 0, MUTATIONS),
      ]);
      for (const { name, port } of garden.peers) {
        for (const control of controls) {
          const verdict = await askPeer(port, control.bytes, control.echoes, 'nothing');
          controlled.push({ peer: name, control, verdict });
        }
      }
    } finally {
      logProblems = await garden.close();
    }
  });

  /** As text, for a message that says which payload and what. */
  function problemsOf(peer: string | null): string[] {
    return results.flatMap(({ payload, problems }) =>
      problems
        .filter((problem) => problem.peer === peer)
        .map(({ text }) => `${payload.name}: ${text}`),
    );
  }

  test('what we send on is canonical, and the access log names exactly those requests', () => {
    assert.deepEqual(problemsOf(null), []);
    assert.deepEqual(logProblems, []);
    const forwarded = results.filter(({ handling }) => handling.open.recorded.length > 0);
    assert.ok(forwarded.length > 100, `only ${forwarded.length} payloads were sent on`);
  });

  for (const name of peerNames) {
    const skip = name === 'node' ? false : skipWithout(peerBinary(name));
    test(`${name} sees the requests that we sent, and no other`, { skip }, () => {
      assert.deepEqual(problemsOf(name), []);
      const same = results.filter(({ replayed }) => replayed.get(name)?.kind === 'same');
      assert.ok(same.length > 50, `${name} took only ${same.length} of our outputs`);
    });
  }

  for (const { name } of controls) {
    test(`control: ${name}; somebody sees another boundary`, () => {
      const seen = controlled.filter(({ control }) => control.name === name);
      assert.ok(
        seen.some(({ verdict }) => verdict.kind === 'different'),
        JSON.stringify(seen.map(({ peer, verdict }) => ({ peer, verdict }))),
      );
    });
  }
});
