// Subsets against a model without an index: whatever hosts, metadata and selectors there are, and however they change.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { balancerParts, countPicks, prioritySetOf, StubHost } from '../../../../test/fakes/lb.ts';
import { defaultRoundRobin, type SubsetData } from '../../../api/config/load-balancing.ts';
import { anyHost } from '../../../api/load-balancing.ts';
import { metadataMatchOf } from '../../../api/metadata-match.ts';
import { createLoadBalancer } from '../create-load-balancer.ts';
import { HostIndex } from '../host-index.ts';

type Values = Readonly<Record<string, unknown>>;

const keys = ['a', 'b', 'c'] as const;
const value = fc.constantFrom<unknown>(0, 1, '1', [0, 1], [1], []);
const values: fc.Arbitrary<Values> = fc.dictionary(fc.constantFrom(...keys), value);
const selectors = fc.uniqueArray(fc.subarray([...keys], { minLength: 1 }), {
  selector: (list) => list.join(),
  maxLength: 4,
});

const isOne = (own: unknown, wanted: unknown) => JSON.stringify(own) === JSON.stringify(wanted);
const isAny = (own: unknown, wanted: unknown) =>
  Array.isArray(own) ? own.some((item) => isOne(item, wanted)) : isOne(own, wanted);

/** Names of the hosts that a request may be sent to. */
function model(
  hosts: readonly (readonly [string, Values])[],
  selected: readonly (readonly string[])[],
  wanted: Values,
  matches: typeof isOne,
): string[] {
  const asked = Object.keys(wanted).sort().join();
  if (!selected.some((list) => list.join() === asked)) return [];
  return hosts
    .filter(([, own]) =>
      Object.keys(wanted).every((key) => key in own && matches(own[key], wanted[key])),
    )
    .map(([name]) => name)
    .sort();
}

test('exactly the hosts of the subset are chosen, and each of them, after any change of metadata', () => {
  fc.assert(
    fc.property(
      selectors,
      fc.boolean(),
      fc.array(fc.array(values, { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
      fc.array(values, { minLength: 1, maxLength: 6 }),
      (selected, listAsAny, updates, requests) => {
        const data: SubsetData = {
          kind: 'SUBSET',
          fallbackPolicy: 'NO_FALLBACK',
          defaultSubset: [],
          selectors: selected.map((list) => ({
            keys: list,
            singleHostPerSubset: false,
            fallbackPolicy: 'NOT_DEFINED',
            fallbackKeys: [],
          })),
          localityWeightAware: false,
          scaleLocalityWeight: false,
          panicModeAny: false,
          listAsAny,
          usesFallbackList: false,
          allowRedundantKeys: false,
          child: defaultRoundRobin,
        };
        const index = new HostIndex();
        const parts = balancerParts();
        const known = new Map<number, StubHost>();
        for (const update of updates) {
          // Hosts stay by number, their metadata change in place.
          const hosts = update.map((lb, i) => {
            const host = known.get(i) ?? new StubHost(`h${i}`);
            known.set(i, host);
            host.placed = { ...host.placed, metadata: { 'envoy.lb': { ...lb } } };
            return host;
          });
          const policy = createLoadBalancer(data, prioritySetOf(hosts), parts, index);
          for (const wanted of requests) {
            const context = { ...anyHost, metadataMatch: metadataMatchOf(wanted) };
            const picks = countPicks(policy, Math.max(1, hosts.length), context);
            const expected = model(
              update.map((lb, i) => [`h${i}`, lb] as const),
              selected,
              wanted,
              listAsAny ? isAny : isOne,
            );
            const chosen = Object.keys(picks).sort();
            assert.deepEqual(chosen, expected.length === 0 ? [''] : expected);
          }
          const { lbSubsetsActive, lbSubsetsCreated, lbSubsetsRemoved } = parts.stats;
          assert.equal(lbSubsetsActive, lbSubsetsCreated - lbSubsetsRemoved);
        }
        index.subsets.close();
        assert.equal(parts.stats.lbSubsetsActive, 0);
      },
    ),
    { numRuns: 300 },
  );
});
