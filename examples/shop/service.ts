// One program for the four services of the shop. Which one it is, it learns from its environment:
//   PORT          where to listen on 127.0.0.1 (its sidecar forwards requests to it)
//   SERVICE       frontend | orders | inventory, which speak HTTP/1.1, or pricing, which speaks gRPC (pricing.ts)
//   VERSION       v1, v2 or empty
//   INSTANCE      a name to tell instances apart
//   OUTBOUND_URL  its sidecar's outbound listener: requests to other services go there, by Host header, and so do
//                 gRPC calls, by authority

import http from 'node:http';
import { PricingClient, startPricing } from './pricing.ts';

const {
  PORT = '9000',
  SERVICE = 'frontend',
  VERSION = '',
  INSTANCE = '',
  OUTBOUND_URL,
} = process.env;
const { HOST = '127.0.0.1' } = process.env;

/** Whom each service asks before it answers. */
const asks: Readonly<Record<string, string>> = { frontend: 'orders', orders: 'inventory' };

const UPDATES = 5;

const pricing = new PricingClient(OUTBOUND_URL === undefined ? '' : new URL(OUTBOUND_URL).host);
const outboundAgent = new http.Agent({ keepAlive: true, maxSockets: 64 });

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Calls another service of the mesh: our sidecar knows where it is and speaks mTLS to it. */
function call(service: string, requestId: string | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers: http.OutgoingHttpHeaders = { host: service };
    if (requestId !== undefined) headers['x-request-id'] = requestId;
    const request = http.get(OUTBOUND_URL ?? '', { agent: outboundAgent, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** A visitor of the frontend can make it call pricing by gRPC. */
const callsOfPricing: Readonly<Record<string, () => Promise<object>>> = {
  '/price': () => pricing.getPrice('teapot'),
  '/prices': () => pricing.watchPrices('teapot', UPDATES),
  // The mesh must refuse this one.
  '/price/set': () =>
    pricing.setPrice({ item: 'teapot', cents: 1, version: '', instance: '', caller: '' }),
};

async function answer(request: http.IncomingMessage): Promise<Answer> {
  const self = { service: SERVICE, version: VERSION, instance: INSTANCE };
  const ofPricing = callsOfPricing[request.url ?? ''];
  if (SERVICE === 'frontend' && ofPricing !== undefined) {
    return { status: 200, body: JSON.stringify(await ofPricing()) };
  }
  // `/call/inventory` on the frontend lets a visitor try a call that the mesh must refuse.
  const direct = /^\/call\/([a-z]+)$/.exec(request.url ?? '')?.[1];
  const next = direct ?? asks[SERVICE];
  if (next === undefined) return { status: 200, body: JSON.stringify({ ...self, stock: 42 }) };
  const requestId = request.headers['x-request-id'];
  const reply = await call(next, typeof requestId === 'string' ? requestId : undefined);
  if (reply.status !== 200) return reply;
  const price = SERVICE === 'orders' ? { price: await pricing.getPrice('teapot') } : {};
  return {
    status: 200,
    body: JSON.stringify({ ...self, [next]: JSON.parse(reply.body), ...price }),
  };
}

const server = http.createServer((request, response) => {
  request.resume();
  answer(request).then(
    ({ status, body }) => {
      response.writeHead(status, {
        'content-type': status === 200 ? 'application/json' : 'text/plain',
      });
      response.end(body);
    },
    (error: Error) => {
      response.writeHead(502, { 'content-type': 'text/plain' });
      response.end(`${SERVICE}: ${error.message}\n`);
    },
  );
});
// A sidecar keeps its connections for an hour: the application must not be the one to close them.
server.keepAliveTimeout = 3_700_000;
if (SERVICE === 'pricing') {
  const grpcServer = await startPricing(`${HOST}:${PORT}`, {
    version: VERSION,
    instance: INSTANCE,
  });
  process.once('SIGTERM', () => grpcServer.tryShutdown(() => process.exit(0)));
} else {
  server.listen(Number(PORT), HOST);
  process.once('SIGTERM', () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
