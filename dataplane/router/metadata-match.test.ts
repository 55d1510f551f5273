import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forwardAction, retryPolicy, weightedCluster } from '../../test/fakes/route-data.ts';
import { RouterScenario } from '../../test/fakes/router.ts';
import type { ForwardActionData, RouteActionData } from '../api/config/route.ts';
import type { LoadBalancerContext } from '../api/load-balancing.ts';
import { type MetadataMatch, metadataMatchOf } from '../api/metadata-match.ts';

/** What each choice of a host was given. */
function choices<T>(scenario: RouterScenario, of: (context: LoadBalancerContext) => T): T[] {
  const seen: T[] = [];
  const { cluster } = scenario;
  const choose = cluster.chooseHost.bind(cluster);
  cluster.chooseHost = (context) => {
    seen.push(of(context));
    return choose(context);
  };
  return seen;
}

const forwarding = (action: Partial<ForwardActionData>): { action: RouteActionData } => ({
  action: forwardAction(action),
});

/** Of one request through that route, after filters set `dynamic` metadata. */
function matchOf(
  action: Partial<ForwardActionData>,
  dynamic: Record<string, unknown> | null = null,
): MetadataMatch | null | undefined {
  const scenario = new RouterScenario({ route: forwarding(action) });
  const seen = choices(scenario, ({ metadataMatch }) => metadataMatch);
  if (dynamic !== null) scenario.streamInfo.dynamicMetadata = { 'envoy.lb': dynamic };
  scenario.request();
  return seen[0];
}

test("a host must have what the route's metadata say, and before them what filters say", () => {
  const metadataMatch = metadataMatchOf({ version: 'v1', stage: 'prod' });
  assert.equal(matchOf({}), null);
  assert.equal(matchOf({ metadataMatch }), metadataMatch);
  assert.deepEqual(matchOf({}, { stage: 'dev' }), metadataMatchOf({ stage: 'dev' }));
  assert.deepEqual(
    matchOf({ metadataMatch }, { stage: 'dev', tier: 1 }),
    metadataMatchOf({ version: 'v1', stage: 'dev', tier: 1 }),
  );
});

test('a weighted cluster has metadata of its own, merged with those of the route before', () => {
  const own = metadataMatchOf({ version: 'v2', stage: 'prod' });
  const clusters = [weightedCluster('c', 1, { metadataMatch: own })];
  const cluster = { kind: 'weighted', headerName: '', usesHashPolicy: false, clusters } as const;
  const metadataMatch = metadataMatchOf({ stage: 'prod' });
  assert.equal(matchOf({ cluster, metadataMatch }), own);
});

test('a retry goes where load balancing sends it, not to the host that was asked for', () => {
  const scenario = new RouterScenario({
    route: forwarding({ retryPolicy: retryPolicy({ retryOn: ['5xx'] }) }),
  });
  scenario.overrideHost = { address: '10.0.0.1:80', strict: true, statusIfMissing: 404 };
  const seen = choices(scenario, ({ overrideHost }) => overrideHost?.address ?? null);
  scenario.request();
  scenario.attempt.ready().respond(503);
  scenario.timers.advance(25);
  assert.deepEqual(seen, ['10.0.0.1:80', null]);
});

test('without a host a strict session is answered with the status of its choice', () => {
  const answer = (strict: boolean) => {
    const scenario = new RouterScenario();
    scenario.cluster.hosts.length = 0;
    scenario.overrideHost = { address: '10.0.0.1:80', strict, statusIfMissing: 404 };
    return scenario.request().summary();
  };
  assert.equal(answer(true), '404 UH no_healthy_upstream: no healthy upstream');
  assert.equal(answer(false), '503 UH no_healthy_upstream: no healthy upstream');
});
