// Responses of hosts, mutated: a probe throws nothing, has one result per check, and can check again. It runs in main,
// so that a host which sends nonsense must not matter to anybody but its own session.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clusterConfig,
  FakePoolConnection,
  seededRandom,
} from '../../../test/fakes/cluster-config.ts';
import { httpCheck, tcpCheck } from '../../../test/fakes/health-check.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import { mutateBytes } from '../../../test/fuzz/mutate-bytes.ts';
import { SeededRandom } from '../../../test/fuzz/random.ts';
import { Http1CodecStats } from '../../http/h1/codec-stats.ts';
import { Http2ClientConnection } from '../../http/h2/client-connection.ts';
import { Http2CodecStats } from '../../http/h2/codec-stats.ts';
import { http1ClientOptions, http2ClientOptions } from '../codec-options.ts';
import { H1Session } from '../pool/h1-session.ts';
import { H2Session } from '../pool/h2-session.ts';
import type { PoolConnection } from '../pool/pool-context.ts';
import { GrpcProbe } from './grpc-probe.ts';
import { HttpProbe } from './http-probe.ts';
import type { Probe, ProbeObserver } from './probe.ts';
import { TcpProbe } from './tcp-probe.ts';

const ROUNDS = 1500;
const timers = new FakeTimers();
const config = clusterConfig();
const http1 = http1ClientOptions(config, new Http1CodecStats());
const http2 = http2ClientOptions(config, new Http2CodecStats(), {
  clock: timers.clock,
  timers,
  random: seededRandom(1),
});

type MakeProbe = (connect: () => PoolConnection, observer: ProbeObserver) => Probe;

const common = { reuseConnection: true, authority: 'a', scheme: 'http', wallMs: () => 0 } as const;
const needle = [Uint8Array.from(Buffer.from('well'))];

const makeHttp: MakeProbe = (connect, observer) =>
  new HttpProbe(
    {
      ...common,
      connect,
      createSession: (owner, connection) => new H1Session(owner, connection, http1),
      check: { ...httpCheck, receive: needle },
      addHeaders: null,
    },
    observer,
  );
const makeGrpc: MakeProbe = (connect, observer) =>
  new GrpcProbe(
    {
      ...common,
      connect,
      createSession: (owner, connection) =>
        new H2Session(
          owner,
          connection,
          {
            createHttp2Codec: (on, callbacks) => new Http2ClientConnection(on, http2, callbacks),
          },
          1,
        ),
      serviceName: 'a',
      timeoutMs: 1000,
      addMetadata: null,
    },
    observer,
  );
const makeTcp: MakeProbe = (connect, observer) =>
  new TcpProbe(
    { connect, reuseConnection: true, check: { ...tcpCheck, receive: needle } },
    observer,
  );

const frame = (type: number, flags: number, stream: number, payload: Buffer): Buffer => {
  const head = Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream]);
  return Buffer.concat([head, payload]);
};
const literal = (name: Buffer, value: string): Buffer =>
  Buffer.concat([name, Buffer.of(value.length), Buffer.from(value)]);
const serving = Buffer.concat([
  frame(4, 0, 0, Buffer.alloc(0)),
  frame(1, 4, 1, Buffer.concat([Buffer.of(0x88), literal(Buffer.of(0x5f), 'application/grpc')])),
  frame(0, 0, 1, Buffer.from([0, 0, 0, 0, 2, 8, 1])),
  frame(1, 5, 1, literal(Buffer.concat([Buffer.of(0x40, 11), Buffer.from('grpc-status')]), '0')),
]);
const chunked = Buffer.from(
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-envoy-degraded: 1\r\n\r\n5\r\nall w\r\n3\r\nell\r\n0\r\n\r\n',
);
const plain = Buffer.from(
  'HTTP/1.1 503 No\r\ncontent-length: 4\r\nx-envoy-immediate-health-check-fail: true\r\n\r\nwell',
);

const probes: readonly (readonly [string, MakeProbe, Buffer, Buffer])[] = [
  ['HTTP', makeHttp, chunked, plain],
  ['gRPC', makeGrpc, serving, serving],
  ['TCP', makeTcp, Buffer.from('all is well'), plain],
];

for (const [name, make, response, other] of probes) {
  test(`${name}: whatever a host answers, each check has one result`, () => {
    const random = new SeededRandom(7);
    let successes = 0;
    for (let round = 0; round < ROUNDS; round++) {
      let results = 0;
      const connections: FakePoolConnection[] = [];
      const probe = make(
        () => {
          const connection = new FakePoolConnection();
          connections.push(connection);
          return connection;
        },
        {
          onSuccess: () => {
            results++;
            successes++;
          },
          onFailure: () => results++,
          onExcluded: () => {},
          onServiceNameChecked: () => {},
        },
      );
      probe.start();
      connections[0]!.connect();
      const bytes = round === 0 ? response : mutateBytes(response, other, random);
      const cut = random.below(bytes.length + 1);
      for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        if (connections[0]!.isOpen()) connections[0]!.receive(part.toString('latin1'));
      }
      const hadResult = results;
      connections[0]!.remoteClose();
      // Between two checks an end is a failure for TCP, and nothing for the others.
      assert.ok(results === 1 || (name === 'TCP' && hadResult === 1 && results === 2));
      probe.start();
      connections.at(-1)!.connect();
      probe.onTimeout();
      probe.close();
      assert.ok(connections.slice(0, -1).every((connection) => !connection.isOpen()));
    }
    assert.ok(successes > 0, 'the first response was good');
  });
}
