// What `remora up examples/shop --check` asserts, under continuous traffic in which no request may fail: canary
// weights are kept, of requests and of gRPC calls, a dead instance is taken out, plaintext and wrong identities stay
// out.

import net from 'node:net';
import { binomialInterval } from '../../cli/up/binomial.ts';
import type { CheckContext } from '../../cli/up/check-context.ts';
import type { Price } from './pricing.ts';

const REQUESTS_PER_STEP = 1000;

function ordersRoute(v1: number, v2: number): object {
  const backend = (version: string, weight: number) => ({
    group: 'remora.dev',
    kind: 'ServiceVersion',
    name: `orders-${version}`,
    port: 80,
    weight,
  });
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'orders' },
    spec: {
      parentRefs: [{ kind: 'Service', group: '', name: 'orders' }],
      rules: [{ backendRefs: [backend('v1', v1), backend('v2', v2)] }],
    },
  };
}

/** Sends a plaintext request to a port; what came back until the peer closed. */
function plaintextRequest(port: number): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = net.connect(port, '127.0.0.1');
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      received += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(received));
    socket.setTimeout(5000, () => {
      received += '(no answer, not closed)';
      socket.destroy();
    });
    socket.write('GET / HTTP/1.1\r\nHost: inventory\r\n\r\n');
  });
}

async function shiftWeights(context: CheckContext, v1: number, v2: number): Promise<void> {
  await context.apply(ordersRoute(v1, v2));
  await context.synced();
  const samples = await context.traffic(REQUESTS_PER_STEP, performance.now());
  const inV2 = samples.filter(({ version }) => version === 'v2').length;
  const { low, high } = binomialInterval(samples.length, v2 / (v1 + v2));
  context.expect(
    inV2 >= low && inV2 <= high,
    `weights ${v1}/${v2}: ${inV2} of ${samples.length} requests went to v2, ` +
      `expected ${Math.ceil(low)} to ${Math.floor(high)}`,
  );
}

const PRICING_CALLS = 300;
const PRICING_CALLS_AT_ONCE = 8;

function pricingRoute(v1: number, v2: number): object {
  const backend = (version: string, weight: number) => ({
    group: 'remora.dev',
    kind: 'ServiceVersion',
    name: `pricing-${version}`,
    port: 80,
    weight,
  });
  const method = (name: object) => [{ method: { service: 'shop.v1.Pricing', ...name } }];
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'GRPCRoute',
    metadata: { name: 'pricing' },
    spec: {
      parentRefs: [{ kind: 'Service', group: '', name: 'pricing' }],
      rules: [
        {
          matches: method({ method: 'GetPrice' }),
          backendRefs: [backend('v1', v1), backend('v2', v2)],
        },
        { matches: method({}), backendRefs: [backend('v1', 1)] },
      ],
    },
  };
}

/** Asks the frontend to call pricing by gRPC; null = it said something else, which has failed the check. */
async function viaFrontend(context: CheckContext, path: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${context.instance('frontend-1').app}${path}`);
  const body = await response.text();
  if (response.status === 200) return JSON.parse(body);
  context.expect(false, `${path}: ${response.status} ${body.slice(0, 200)}`);
  return null;
}

/** A weight on one gRPC method moves that method alone. */
async function shiftPrices(context: CheckContext, v1: number, v2: number): Promise<void> {
  await context.apply(pricingRoute(v1, v2));
  await context.synced();
  let left = PRICING_CALLS;
  let inV2 = 0;
  const worker = async () => {
    while (left-- > 0) {
      const price = (await viaFrontend(context, '/price')) as Price | null; // as the frontend sends it
      if (price?.version === 'v2') inV2++;
    }
  };
  await Promise.all(Array.from({ length: PRICING_CALLS_AT_ONCE }, worker));
  const { low, high } = binomialInterval(PRICING_CALLS, v2 / (v1 + v2));
  context.expect(
    inV2 >= low && inV2 <= high,
    `gRPC weights ${v1}/${v2}: ${inV2} of ${PRICING_CALLS} calls of GetPrice went to v2, ` +
      `expected ${Math.ceil(low)} to ${Math.floor(high)}`,
  );
}

async function checkPricing(context: CheckContext): Promise<void> {
  for (const [v1, v2] of [
    [50, 50],
    [0, 100],
  ] as const) {
    await shiftPrices(context, v1, v2);
  }
  // As the frontend sends it.
  const prices = ((await viaFrontend(context, '/prices')) ?? []) as readonly Price[];
  const frontend = 'spiffe://shop.local/ns/default/sa/frontend';
  context.expect(
    prices.length === 5 && prices.every(({ version }) => version === 'v1'),
    `a gRPC stream of 5 messages came from v1, whose weights had not moved (got ${prices.length})`,
  );
  context.expect(
    prices.every(({ caller }) => caller === frontend),
    `pricing saw the caller’s identity (${prices[0]?.caller})`,
  );
  const refused = await fetch(
    `http://127.0.0.1:${context.instance('frontend-1').app}/price/set`,
  ).then((response) => response.text());
  context.expect(
    refused.includes('PERMISSION_DENIED'),
    `pricing refuses a gRPC method that the policy does not name (got ${JSON.stringify(refused.slice(0, 80))})`,
  );
}

export async function check(context: CheckContext): Promise<void> {
  for (const [v1, v2] of [
    [90, 10],
    [50, 50],
    [0, 100],
  ] as const) {
    await shiftWeights(context, v1, v2);
  }

  await checkPricing(context);

  const frontend = context.instance('frontend-1');
  const victim = context.instance('orders-v2-1');
  context.say(`killing the application behind ${victim.name}, its sidecar stays`);
  const killedMs = performance.now();
  await context.killApplication(victim);
  const ejected = await context.eventually(async () => {
    const clusters = await context.admin(frontend, '/clusters');
    return clusters
      .split('\n')
      .some(
        (line) => line.includes(`:${victim.inbound}::health_flags::`) && line.includes('outlier'),
      );
  }, 10_000);
  context.expect(ejected, `${victim.name} was ejected by the frontend’s outlier detection`);
  const after = await context.traffic(REQUESTS_PER_STEP / 2, killedMs);
  context.expect(
    after.every(({ error }) => error === ''),
    `no request failed while ${victim.name} was dying (${after.length} requests)`,
  );

  const inventory = context.instance('inventory-1');
  const plaintext = await plaintextRequest(inventory.inbound);
  context.expect(
    !plaintext.includes('stock') && !plaintext.startsWith('HTTP/1.1 2'),
    `inventory refuses plaintext (got ${JSON.stringify(plaintext.slice(0, 40))})`,
  );

  // The frontend has a good certificate of this mesh, but inventory's policy allows orders only.
  const response = await fetch(`http://127.0.0.1:${frontend.app}/call/inventory`);
  const body = await response.text();
  context.expect(
    response.status === 403 && body.includes('RBAC: access denied'),
    `inventory refuses the identity of frontend (got ${response.status} ${JSON.stringify(body.slice(0, 40))})`,
  );

  const failed = context.samples().filter(({ error }) => error !== '');
  context.expect(
    failed.length === 0,
    `no failed request in ${context.samples().length}${failed[0] === undefined ? '' : `; first: ${failed[0].error}`}`,
  );
}
