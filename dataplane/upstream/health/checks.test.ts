// The probes against real servers.

import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { afterEach, test } from 'node:test';
import tls from 'node:tls';
import { Worker } from 'node:worker_threads';
import { CheckedHost, listen } from '../../../test/fakes/checked-host.ts';
import { clusterConfig } from '../../../test/fakes/cluster-config.ts';
import { grpcCheck, httpCheck, tcpCheck } from '../../../test/fakes/health-check.ts';
import { TestCa } from '../../../test/fakes/pki.ts';
import { upstreamTls, validationData } from '../../../test/fakes/tls.ts';
import type { HttpCheckData } from '../../api/config/health-check.ts';
import { HealthFlag } from '../shared-state.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

function checked(...given: ConstructorParameters<typeof CheckedHost>): CheckedHost {
  const host = new CheckedHost(...given);
  cleanups.push(() => host[Symbol.dispose]());
  return host;
}

/** Requests that a server saw. */
interface Seen {
  readonly requests: http.IncomingMessage[];
  connections: number;
}

async function httpServer(
  answer: (response: http.ServerResponse, count: number) => void,
): Promise<Seen & { port: number }> {
  const seen: Seen = { requests: [], connections: 0 };
  const server = http.createServer((request, response) => {
    seen.requests.push(request);
    answer(response, seen.requests.length);
  });
  server.on('connection', () => seen.connections++);
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return Object.assign(seen, { port: await listen(server) });
}

const withHttp = (given: Partial<HttpCheckData>) => ({ checker: { ...httpCheck, ...given } });

// -- HTTP/1.1 ---------------------------------------------------------------------------------------

test('HTTP: a request as Envoy sends it, on a connection that is kept', async () => {
  const seen = await httpServer((response) => response.end());
  const host = checked(seen.port, withHttp({}));
  assert.deepEqual(await host.results(3), ['ok 0', 'ok 0', 'ok 0']);
  assert.equal(seen.connections, 1);
  const [first] = seen.requests;
  assert.equal(first?.method, 'GET');
  assert.equal(first?.url, '/health');
  assert.deepEqual(first?.rawHeaders, ['host', 'orders', 'user-agent', 'Envoy/HC']);
});

test('HTTP: method, host and headers of the config', async () => {
  const seen = await httpServer((response) => response.end());
  const add = [
    {
      name: 'x-a',
      value: '%UPSTREAM_CLUSTER%',
      action: 'APPEND_IF_EXISTS_OR_ADD' as const,
      keepEmptyValue: false,
    },
  ];
  const headers = { add, remove: ['user-agent'] };
  const given = withHttp({ method: 'HEAD', host: 'h', headers });
  await checked(seen.port, given).results(1);
  assert.equal(seen.requests[0]?.method, 'HEAD');
  assert.deepEqual(seen.requests[0]?.rawHeaders, ['host', 'h', 'x-a', 'orders']);
  const healthCheck = { port: 0, address: '', hostname: 'own', disabled: false };
  await checked(seen.port, given, {}, { healthCheck }).results(1);
  assert.equal(seen.requests.at(-1)?.headers.host, 'own', "the endpoint's own name comes first");
});

test('HTTP: a body, with its length', async () => {
  let body = '';
  const server = http.createServer((request, response) => {
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      assert.equal(request.headers['content-length'], '5');
      response.end();
    });
  });
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const send = Uint8Array.from(Buffer.from('hello'));
  const host = checked(await listen(server), withHttp({ method: 'POST', send }));
  assert.deepEqual(await host.results(2), ['ok 0', 'ok 0']);
  assert.match(body, /^(hello){2,}$/);
});

test('HTTP: reuse_connection off, or a server that closes, costs a connection per check', async () => {
  const seen = await httpServer((response) => response.end());
  const host = checked(seen.port, { reuseConnection: false, ...withHttp({}) });
  assert.deepEqual(await host.results(3), ['ok 0', 'ok 0', 'ok 0']);
  assert.ok(seen.connections >= 3);
  const closing = await httpServer((response) => {
    response.setHeader('connection', 'close');
    response.end('body');
  });
  const other = checked(closing.port, withHttp({}));
  assert.deepEqual(await other.results(3), ['ok 0', 'ok 0', 'ok 0']);
  assert.ok(closing.connections >= 3);
});

test('HTTP: statuses that are expected, retriable, and neither', async () => {
  const statuses = [204, 503, 503, 404, 204, 204, 299, 300];
  const seen = await httpServer((response, count) => {
    response.statusCode = statuses[count - 1] ?? 500;
    response.end();
  });
  const host = checked(
    seen.port,
    withHttp({
      expectedStatuses: [{ start: 200, end: 300 }],
      retriableStatuses: [{ start: 500, end: 600 }],
    }),
  );
  assert.deepEqual(await host.results(8), [
    'ok 0',
    'failed 0',
    'failed 0',
    'failed 1',
    'ok 1',
    'ok 0',
    'ok 0',
    'failed 1',
  ]);
});

test('HTTP: degraded, and no more traffic please', async () => {
  const seen = await httpServer((response, count) => {
    if (count === 2) response.setHeader('x-envoy-degraded', '');
    if (count === 3) response.statusCode = 503;
    // Beside an expected status it says nothing.
    if (count === 1 || count === 3)
      response.setHeader('x-envoy-immediate-health-check-fail', 'true');
    response.end();
  });
  const host = checked(seen.port, withHttp({}));
  const { DegradedActiveHc, FailedActiveHc, ExcludedViaImmediateHcFail } = HealthFlag;
  assert.deepEqual(await host.results(3), [
    'ok 0',
    `ok ${DegradedActiveHc}`,
    `failed ${DegradedActiveHc | FailedActiveHc | ExcludedViaImmediateHcFail}`,
  ]);
});

test('HTTP: the name of the service', async () => {
  const seen = await httpServer((response, count) => {
    if (count < 3) {
      response.setHeader('x-envoy-upstream-healthchecked-cluster', count === 1 ? 'orders-1' : 'x');
    }
    response.end();
  });
  const serviceName = { kind: 'prefix', value: 'orders', ignoreCase: false } as const;
  const host = checked(seen.port, withHttp({ serviceName }));
  assert.deepEqual(await host.results(3), ['ok 0', 'failed 1', 'failed 1']);
  assert.equal(host.stats.verifyCluster, 3);
});

test('HTTP: the body is searched to its limit and no further', async () => {
  const seen = await httpServer((response) => {
    // In three chunks.
    response.write('.'.repeat(50));
    response.write('.'.repeat(50));
    response.end('needle');
  });
  const receive = [Uint8Array.from(Buffer.from('needle'))];
  const result = async (responseBufferBytes: number) => {
    const [first] = await checked(seen.port, withHttp({ receive, responseBufferBytes })).results(1);
    return first;
  };
  assert.equal(await result(106), 'ok 0');
  assert.equal(await result(105), 'failed 1');
  assert.equal(await result(0), 'ok 0', 'no limit');
});

test('HTTP: a body that does not match is no matter of retriable statuses', async () => {
  const seen = await httpServer((response, count) => {
    response.statusCode = count === 1 ? 200 : 503;
    response.end(count === 1 ? 'yes' : 'no');
  });
  const receive = [Uint8Array.from(Buffer.from('yes'))];
  const retriableStatuses = [{ start: 503, end: 504 }];
  const host = checked(seen.port, withHttp({ receive, retriableStatuses }));
  assert.deepEqual(await host.results(2), ['ok 0', 'failed 1']);
});

test('HTTP: connections that end, nonsense, and nobody there are failures of the network', async () => {
  let count = 0;
  const answers = [
    'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
    '',
    'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf',
    'nonsense\r\n\r\n',
  ];
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.end(answers[count++] ?? ''));
  });
  const port = await listen(server);
  const host = checked(port, { unhealthyThreshold: 4, ...withHttp({}) });
  assert.deepEqual(await host.results(4), ['ok 0', 'failed 0', 'failed 0', 'failed 0']);
  server.close();
  // The last of them may still have been taken by the listening socket.
  const [next] = await host.results(1);
  assert.equal(next, 'failed 1');
  assert.equal(host.stats.networkFailure, host.stats.failure);
});

test('HTTP: a server that says nothing is given up after the timeout', async () => {
  const seen = await httpServer(() => {});
  const host = checked(seen.port, { timeoutMs: 30, ...withHttp({}) });
  assert.deepEqual(await host.results(2), [
    `failed ${HealthFlag.FailedActiveHc | HealthFlag.ActiveHcTimeout}`,
    `failed ${HealthFlag.FailedActiveHc | HealthFlag.ActiveHcTimeout}`,
  ]);
  assert.ok(seen.connections >= 2, 'its connection is not used on');
});

test('HTTP: an answer that came in time counts, however late it is read', async () => {
  // A server that this thread cannot hold up.
  const server = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const server = require('node:http').createServer((request, response) => response.end());
     server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`,
    { eval: true },
  );
  cleanups.push(() => void server.terminate());
  const port = await new Promise<number>((resolve) => server.once('message', resolve));
  const host = checked(port, { timeoutMs: 500, intervalMs: 50, ...withHttp({}) });
  await host.results(1);
  while (host.stats.attempt === 1) await new Promise((resolve) => setImmediate(resolve));
  // The request is written; now nobody reads for longer than the timeout.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 800);
  assert.deepEqual(await host.results(1), ['ok 0']);
});

test('HTTP: the port and address of the config, the port of the endpoint before it', async () => {
  const seen = await httpServer((response) => response.end());
  const nowhere = { port: 1 };
  const alt = checked(1, { altPort: seen.port, ...withHttp({}) }, {}, nowhere);
  assert.deepEqual(await alt.results(1), ['ok 0']);
  const healthCheck = { port: seen.port, address: '127.0.0.1', hostname: '', disabled: false };
  const own = checked(
    1,
    { altPort: 1, ...withHttp({}) },
    {},
    {
      ...nowhere,
      healthCheck,
    },
  );
  assert.deepEqual(await own.results(1), ['ok 0']);
});

// -- HTTP/2 and gRPC --------------------------------------------------------------------------------

interface Http2Seen {
  readonly port: number;
  sessions: number;
  readonly requests: http2.IncomingHttpHeaders[];
  readonly bodies: string[];
}

async function http2Server(
  answer: (stream: http2.ServerHttp2Stream, count: number) => void,
  server: http2.Http2Server = http2.createServer(),
): Promise<Http2Seen> {
  const open = new Set<http2.ServerHttp2Session>();
  const seen = { port: 0, sessions: 0, requests: [], bodies: [] } as Http2Seen;
  server.on('session', (session) => {
    seen.sessions++;
    open.add(session);
    session.on('close', () => open.delete(session));
    session.on('error', () => {});
  });
  server.on('sessionError', () => {});
  server.on('stream', (stream, headers) => {
    seen.requests.push(headers);
    const count = seen.requests.length;
    const body: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => body.push(chunk));
    stream.on('end', () => {
      seen.bodies.push(Buffer.concat(body).toString('hex'));
      answer(stream, count);
    });
  });
  cleanups.push(() => {
    server.close();
    for (const session of open) session.destroy();
  });
  return Object.assign(seen, { port: await listen(server) });
}

const grpcHeaders = { ':status': 200, 'content-type': 'application/grpc' };

/** Status of grpc.health.v1. */
function serve(stream: http2.ServerHttp2Stream, status: number, grpcStatus = '0'): void {
  stream.respond(grpcHeaders, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': grpcStatus }));
  stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]));
}

test('HTTP/2: on one connection, and on a new one after GOAWAY', async () => {
  const seen = await http2Server((stream, count) => {
    // Between two checks, or as good as that.
    if (count === 2) stream.session?.goaway();
    stream.respond({ ':status': 200 }, { endStream: true });
  });
  const host = checked(seen.port, withHttp({ protocol: 'HTTP/2' }));
  assert.deepEqual(await host.results(4), ['ok 0', 'ok 0', 'ok 0', 'ok 0']);
  assert.equal(seen.sessions, 2);
  assert.equal(seen.requests[0]?.[':authority'], 'orders');
  assert.equal(seen.requests[0]?.['user-agent'], 'Envoy/HC');
});

test('gRPC: the call as Envoy makes it', async () => {
  const seen = await http2Server((stream) => serve(stream, 1));
  const add = [
    { name: 'x-m', value: 'v', action: 'ADD_IF_ABSENT' as const, keepEmptyValue: false },
  ];
  const checker = { ...grpcCheck, serviceName: 'abc', metadata: { add, remove: [] } };
  const host = checked(seen.port, { checker, timeoutMs: 5000 });
  assert.deepEqual(await host.results(3), ['ok 0', 'ok 0', 'ok 0']);
  assert.equal(seen.sessions, 1);
  assert.deepEqual(Object.fromEntries(Object.entries(seen.requests[0]!)), {
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':authority': 'orders',
    ':scheme': 'http',
    te: 'trailers',
    'content-type': 'application/grpc',
    'user-agent': 'Envoy/HC',
    'x-m': 'v',
    'grpc-timeout': '5000m',
  });
  assert.equal(seen.bodies[0], '00000000050a03616263');
});

const notServing: readonly (readonly [string, (stream: http2.ServerHttp2Stream) => void])[] = [
  ['NOT_SERVING', (stream) => serve(stream, 2)],
  ['UNKNOWN', (stream) => serve(stream, 0)],
  ['SERVICE_UNKNOWN', (stream) => serve(stream, 3)],
  ['SERVING with a status that is not OK', (stream) => serve(stream, 1, '13')],
  [
    'trailers only: UNIMPLEMENTED',
    (stream) => stream.respond({ ...grpcHeaders, 'grpc-status': '12' }, { endStream: true }),
  ],
  [
    'trailers only: OK without a message',
    (stream) => stream.respond({ ...grpcHeaders, 'grpc-status': '0' }, { endStream: true }),
  ],
  [
    'no gRPC',
    (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'text/html' });
      stream.write('<html>');
    },
  ],
  [
    'not 200',
    (stream) => {
      stream.respond({ ...grpcHeaders, ':status': 503 });
      stream.write('x');
    },
  ],
  [
    'no trailers',
    (stream) => {
      stream.respond(grpcHeaders);
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
    },
  ],
  [
    'trailers without grpc-status',
    (stream) => {
      stream.respond(grpcHeaders, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ x: 'y' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
    },
  ],
  [
    'two messages',
    (stream) => {
      stream.respond(grpcHeaders);
      stream.write(Buffer.from([0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 2, 8, 1]));
    },
  ],
  [
    'a message that is too long',
    (stream) => {
      stream.respond(grpcHeaders);
      stream.write(Buffer.from([0, 0, 0, 4, 1]));
    },
  ],
];

for (const [name, answer] of notServing) {
  test(`gRPC: ${name} fails its host at once, on a connection that is kept`, async () => {
    const seen = await http2Server((stream, count) => {
      if (count === 2) answer(stream);
      else serve(stream, 1);
    });
    const host = checked(seen.port, { checker: grpcCheck });
    assert.deepEqual(await host.results(4), ['ok 0', 'failed 1', 'ok 1', 'ok 0']);
    assert.equal(seen.sessions, 1);
    assert.equal(host.stats.networkFailure, 0);
  });
}

test('gRPC: streams that are reset are failures of the network', async () => {
  const seen = await http2Server((stream, count) => {
    if (count === 2) stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    else serve(stream, 1);
  });
  const host = checked(seen.port, { checker: grpcCheck });
  assert.deepEqual(await host.results(3), ['ok 0', 'failed 0', 'ok 0']);
  assert.equal(host.stats.networkFailure, 1);
  assert.equal(seen.sessions, 1);
});

test('gRPC: a check that runs is finished behind GOAWAY, the next one has a new connection', async () => {
  const seen = await http2Server((stream, count) => {
    if (count === 2) stream.session?.goaway(0, Number(stream.id));
    serve(stream, 1);
  });
  const host = checked(seen.port, { checker: grpcCheck });
  assert.deepEqual(await host.results(4), ['ok 0', 'ok 0', 'ok 0', 'ok 0']);
  assert.equal(seen.sessions, 2);
});

test('gRPC: a GOAWAY that names an error fails the check that runs', async () => {
  const seen = await http2Server((stream, count) => {
    if (count === 2) stream.session?.goaway(http2.constants.NGHTTP2_INTERNAL_ERROR);
    else serve(stream, 1);
  });
  const host = checked(seen.port, { checker: grpcCheck });
  assert.deepEqual(await host.results(3), ['ok 0', 'failed 0', 'ok 0']);
  assert.equal(host.stats.networkFailure, 1);
  assert.equal(seen.sessions, 2);
});

test('gRPC: a call that times out is reset, its connection is used on', async () => {
  const seen = await http2Server((stream, count) => {
    if (count !== 2) serve(stream, 1);
  });
  const host = checked(seen.port, { checker: grpcCheck, timeoutMs: 1000, unhealthyThreshold: 1 });
  const results = await host.results(3);
  assert.deepEqual(results.slice(0, 2), [
    'ok 0',
    `failed ${HealthFlag.FailedActiveHc | HealthFlag.ActiveHcTimeout}`,
  ]);
  assert.equal(seen.sessions, 1);
});

// -- TCP ----------------------------------------------------------------------------------------------

async function tcpServer(onSocket: (socket: net.Socket, count: number) => void): Promise<number> {
  let count = 0;
  const server = net.createServer((socket) => {
    cleanups.push(() => socket.destroy());
    socket.on('error', () => {});
    onSocket(socket, ++count);
  });
  cleanups.push(() => server.close());
  return listen(server);
}

const hello = [Uint8Array.from(Buffer.from('he')), Uint8Array.from(Buffer.from('o'))];

test('TCP: to connect is enough where nothing is expected, and what is to be sent is sent', async () => {
  const received: string[] = [];
  let heard: () => void = () => {};
  const all = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const port = await tcpServer((socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('end', () => {
      received.push(text);
      socket.end();
      heard();
    });
  });
  const proxyProtocol = { version: 1, passThroughTlvs: [], addedTlvs: [] } as const;
  const send = Uint8Array.from(Buffer.from('ping'));
  const host = checked(port, { checker: { ...tcpCheck, send, proxyProtocol } });
  assert.deepEqual(await host.results(2), ['ok 0', 'ok 0']);
  await all;
  assert.match(received[0]!, new RegExp(`^PROXY TCP4 127.0.0.1 127.0.0.1 \\d+ ${port}\r\nping$`));
});

test('TCP: what is received is searched, however it is cut, on one connection with one PROXY header', async () => {
  const received: string[] = [];
  let connections = 0;
  const port = await tcpServer((socket, count) => {
    connections = count;
    socket.on('data', (chunk) => {
      received.push(chunk.toString('latin1'));
      socket.write('xh');
      setImmediate(() => socket.write('ello'));
    });
  });
  const proxyProtocol = { version: 2, passThroughTlvs: [], addedTlvs: [] } as const;
  const send = Uint8Array.from(Buffer.from('ping'));
  const checker = { ...tcpCheck, send, receive: hello, proxyProtocol };
  const host = checked(port, { checker });
  assert.deepEqual(await host.results(3), ['ok 0', 'ok 0', 'ok 0']);
  assert.equal(connections, 1);
  const local = '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0';
  assert.deepEqual(received.join('').slice(0, 24), `${local}pingping`);
});

test('TCP: the wrong answer is waited out', async () => {
  const port = await tcpServer((socket) => socket.write('hel'));
  const host = checked(port, { timeoutMs: 30, checker: { ...tcpCheck, receive: hello } });
  assert.deepEqual(await host.results(1), [
    `failed ${HealthFlag.FailedActiveHc | HealthFlag.ActiveHcTimeout}`,
  ]);
});

test('TCP: a connection that the server ends counts also between two checks, as in Envoy', async () => {
  const port = await tcpServer((socket, count) => {
    socket.write('hello');
    if (count === 1) setTimeout(() => socket.end(), 5);
  });
  const checker = { ...tcpCheck, receive: hello };
  const host = checked(port, { checker, intervalMs: 600_000, unhealthyEdgeIntervalMs: 1 });
  assert.deepEqual(await host.results(3), ['ok 0', 'failed 0', 'ok 0']);
  assert.equal(host.stats.attempt, 2);
});

// -- TLS ----------------------------------------------------------------------------------------------

async function secureServer(ca: TestCa, alpnProtocols: string[]): Promise<Http2Seen> {
  const { certificatePem, privateKeyPem } = await ca.issue({ dns: ['orders.test'] });
  const secure = tls.createServer({
    cert: certificatePem,
    key: privateKeyPem,
    ALPNProtocols: alpnProtocols,
  });
  const plain = http2.createServer();
  secure.on('secureConnection', (socket) => plain.emit('connection', socket));
  secure.on('tlsClientError', () => {});
  const seen = await http2Server((stream) => serve(stream, 1), plain);
  cleanups.push(() => secure.close());
  return Object.assign(seen, { port: await listen(secure) });
}

test('TLS: as traffic has it, with h2 in its ALPN where the config has no list', async () => {
  const ca = await TestCa.create();
  const seen = await secureServer(ca, ['h2']);
  const trusted = { base: validationData({ trustedCaPem: ca.certificatePem }), sdsName: null };
  const config = upstreamTls({ sni: 'orders.test', validation: trusted });
  const host = checked(seen.port, { checker: grpcCheck }, { tls: config });
  assert.deepEqual(await host.results(2), ['ok 0', 'ok 0']);
  assert.equal(seen.requests[0]?.[':scheme'], 'https');
  assert.equal(host.stat('ssl.handshake'), 1);

  const stranger = await TestCa.create();
  const untrusted = {
    base: validationData({ trustedCaPem: stranger.certificatePem }),
    sdsName: null,
  };
  const wary = checked(
    seen.port,
    { checker: grpcCheck },
    { tls: upstreamTls({ sni: 'orders.test', validation: untrusted }) },
  );
  assert.deepEqual(await wary.results(1), ['failed 1']);
  assert.equal(wary.stats.networkFailure, 1);
});

test('TLS: tls_options.alpn_protocols takes the place of the list of the transport socket', async () => {
  const ca = await TestCa.create();
  const seen = await secureServer(ca, ['hc']);
  const config = upstreamTls({ sni: 'orders.test', alpnProtocols: ['traffic'] });
  const host = checked(seen.port, { checker: grpcCheck, alpnProtocols: ['hc'] }, { tls: config });
  assert.deepEqual(await host.results(1), ['ok 0']);
  const other = checked(seen.port, { checker: grpcCheck }, { tls: config });
  assert.deepEqual(await other.results(1), ['failed 1'], 'the server knows none of these');
});

test('TLS: checks wait for the secret that they need', async () => {
  const ca = await TestCa.create();
  const seen = await secureServer(ca, ['h2']);
  const config = upstreamTls({ sni: 'orders.test', validation: { base: null, sdsName: 'roots' } });
  const host = checked(seen.port, { checker: grpcCheck }, { tls: config });
  assert.equal(host.stats.attempt, 0);
  assert.equal(host.checker.isUnsure(), false, 'nothing to wait for');
  host.secrets.set({
    kind: 'validation_context',
    name: 'roots',
    validation: validationData({ trustedCaPem: ca.certificatePem }),
  });
  host.checker.start();
  assert.equal(host.checker.isUnsure(), true);
  assert.deepEqual(await host.results(1), ['ok 0']);
  assert.equal(host.checker.isUnsure(), false);
});

test('the codec has its stats where traffic has them, while there are checks', async () => {
  const seen = await http2Server((stream) => stream.close(http2.constants.NGHTTP2_CANCEL));
  const host = checked(seen.port, { checker: grpcCheck }, { http: clusterConfig().http });
  await host.results(1);
  assert.equal(host.stat('http2.rx_reset'), 1);
  host.checker.close();
  assert.equal(host.stat('http2.rx_reset'), undefined);
});
