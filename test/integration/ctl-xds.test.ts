// The commands that show xDS from the control plane's side, as a user runs them, against a real control plane with real
// sidecars: proxy-status, proxy-config, xds-trace, load. What a healthy sidecar never does (refuse, ask in vain) is done
// by a node of the test's own.

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { Client, type ClientDuplexStream, credentials, Metadata, status } from '@grpc/grpc-js';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import {
  adsPath,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  decodeDeltaDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
} from '../../proto/discovery.ts';
import { until } from '../fakes/until.ts';
import { type RunningCtl, startCtl } from './ctl-command.ts';
import { type MeshSidecar, TestMesh } from './mesh.ts';

const CLUSTER = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const ASSIGNMENT = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';

const canary = (weight: number) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders}
spec:
  parentRefs: [{kind: Service, group: "", name: orders}]
  rules:
    - backendRefs:
        - {group: remora.dev, kind: ServiceVersion, name: orders-v1, port: 80, weight: ${100 - weight}}
        - {group: remora.dev, kind: ServiceVersion, name: orders-v2, port: 80, weight: ${weight}}
`;
const documents = `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}], versions: [{name: v1}, {name: v2}]}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: remora.dev/v1
kind: Workload
metadata: {name: raw}
spec: {service: web, address: 127.0.0.1, inboundPort: 1, appPort: 2}
---${canary(10)}`;

/** A node of ours on the plaintext port that says what the test wants. */
class RawNode {
  readonly responses: DeltaDiscoveryResponse[] = [];
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Buffer, DeltaDiscoveryResponse>;
  #isFirst = true;

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    this.#stream = this.#client.makeBidiStreamRequest(
      adsPath.delta,
      (request: Buffer) => request,
      (bytes: Buffer) => decodeDeltaDiscoveryResponse(bytes),
    );
    this.#stream.on('data', (response: DeltaDiscoveryResponse) => this.responses.push(response));
    this.#stream.on('error', () => {}); // the test ends it
  }

  send(request: Partial<DeltaDiscoveryRequest>): void {
    const node = encodeMessage('envoy.config.core.v3.Node', { id: 'default/raw' });
    const base = { typeUrl: CLUSTER, responseNonce: '', errorDetail: null };
    const names = { subscribe: [], unsubscribe: [], initialResourceVersions: new Map() };
    this.#stream.write(
      encodeDeltaDiscoveryRequest({
        ...base,
        ...names,
        node: this.#isFirst ? node : null,
        ...request,
      }),
    );
    this.#isFirst = false;
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }
}

describe('ctl over a running mesh', () => {
  let mesh: TestMesh;
  let web: MeshSidecar;
  const children: ChildProcess[] = [];

  before(async () => {
    mesh = await TestMesh.start(documents);
    await mesh.join('orders', 'v1', 'v1');
    await mesh.join('orders', 'v2', 'v2');
    web = await mesh.join('web', '', 'web');
    await mesh.synced(3);
  });
  after(async () => {
    for (const child of children) child.kill();
    await mesh.stop();
  });

  function start(args: readonly string[], stdin = ''): RunningCtl {
    const running = startCtl(mesh.restUrl, args, stdin);
    children.push(running.child);
    return running;
  }
  const run = (...args: string[]) => start(args).ended;

  /** A request from web's application to orders. */
  function callOrders(): Promise<string> {
    return new Promise((resolve, reject) => {
      const { outboundPort: port } = web;
      http
        .get({ host: '127.0.0.1', port, headers: { host: 'orders' }, agent: false }, (response) => {
          let body = '';
          response.on('data', (chunk: Buffer) => {
            body += chunk.toString();
          });
          response.on('end', () => resolve(body));
        })
        .on('error', reject);
    });
  }

  it('proxy-status shows every sidecar in sync, without a colour in a pipe', async () => {
    const { code, stdout } = await run('proxy-status', web.nodeId);
    assert.equal(code, 0);
    assert.match(stdout, /^NODE +SERVICE +VERSION +ADDRESS +XDS +CDS +EDS +SDS +LDS +RDS\n/);
    assert.match(stdout, /^default\/web\.\S+ +web\.default +- .*delta \d+s( +SYNCED \d+s){5}\n$/m);
    assert.doesNotMatch(stdout, new RegExp(String.fromCharCode(27)));
  });

  it('proxy-status shows who refuses what and why, and who waits for what', async () => {
    const node = new RawNode(mesh.plaintextXdsPort);
    node.send({ subscribe: ['*'] });
    await until('clusters come', () => node.responses.length > 0);
    const [response] = node.responses;
    const responseNonce = response?.nonce ?? '';
    node.send({ responseNonce, errorDetail: { code: 13, message: 'outbound: no such thing' } });
    node.send({ typeUrl: ASSIGNMENT, subscribe: ['nowhere'] });
    await until('the endpoints are answered', () => node.responses.length > 1);
    const { code, stdout } = await run('proxy-status', 'default/raw');
    assert.equal(code, 1);
    assert.match(stdout, / NACKED \d+s /);
    assert.match(stdout, /^default\/raw refuses CDS since \d+s: outbound: no such thing$/m);
    assert.match(
      stdout,
      /^default\/raw waits for EDS nowhere since \d+s: the control plane has none$/m,
    );
    const { stdout: json } = await run('proxy-status', 'default/raw', '-o', 'json');
    const [item] = JSON.parse(json).items;
    assert.equal(item.types.CDS.error, 'outbound: no such thing');
    assert.deepEqual(
      item.waits.map(({ name, reason }: Record<string, string>) => `${name} ${reason}`),
      ['nowhere missing', ' unanswered'],
    );
    const diff = await run('proxy-config', 'default/raw', 'diff');
    assert.equal(diff.code, 1);
    assert.match(diff.stdout, /^\? EDS nowhere$/m);
    assert.match(diff.stdout, /^\+ CDS outbound\|80\|v1\|orders\.default$/m);
    node.close();
  });

  it('proxy-config shows what a sidecar is served, and that it is what the sidecar runs', async () => {
    const clusters = await run('proxy-config', web.nodeId, 'clusters');
    assert.match(clusters.stdout, /^outbound\|80\|v1\|orders\.default +EDS +\S+ +mTLS +SYNCED$/m);
    const routes = await run('pc', web.nodeId, 'routes', '-o', 'json');
    assert.match(routes.stdout, /"weight": 90/);
    const secrets = await run('pc', web.nodeId, 'secrets');
    assert.match(secrets.stdout, /spiffe:\/\/\S+\/ns\/default\/sa\/web +20\S+ +([0-9A-F]{2}:){31}/);
    assert.doesNotMatch(secrets.stdout, /BEGIN|PRIVATE/);
    const diff = await run('pc', web.nodeId, 'diff');
    assert.deepEqual([diff.code, diff.stdout], [0, 'no difference\n']);
    const admin = await run('pc', web.nodeId, 'diff', '--admin', `127.0.0.1:${web.adminPort}`);
    assert.deepEqual([admin.code, admin.stdout, admin.stderr], [0, 'no difference\n', '']);
  });

  it('wrong names and arguments end with 1 and 2 and say what there is', async () => {
    const unknown = await run('xds-trace', 'default/nobody');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /no node "default\/nobody"; there are: .*default\/web\./);
    const wrong = await run('pc', web.nodeId, 'weather');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /Allowed choices are clusters, listeners/);
    assert.equal((await run('xds-trace', web.nodeId, '--count', '0')).code, 2);
  });

  it('xds-trace shows a weight change as a diff, and ends by --count and by Ctrl-C', async () => {
    const counted = start(['xds-trace', web.nodeId, '--count', '2']);
    const endless = start(['xds-trace', web.nodeId, '-o', 'json']);
    const isTracing = () => [counted, endless].every(({ output }) => output.stdout !== '');
    await until('both trace', isTracing);
    const apply = start(['apply', '-f', '-'], canary(50));
    assert.match((await apply.ended).stdout, /HTTPRoute default\/orders configured/);
    const { code, stdout } = await counted.ended;
    assert.equal(code, 0);
    assert.match(stdout, /response {2}RDS .*nonce \d+, version \S+, .*B, 1 resource$/m);
    assert.match(stdout, /^ +~ outbound$/m);
    assert.match(stdout, /clusters\[outbound\|80\|v2\|orders\.default\]\.weight: 10 -> 50\n/);
    assert.match(stdout, /ACK +RDS .*after \d+ ms$/m);
    await until('the ACK is printed', () => endless.output.stdout.includes('"event":"ACK"'));
    endless.child.kill('SIGINT');
    assert.equal((await endless.ended).code, 0);
    for (const line of endless.output.stdout.trim().split('\n')) JSON.parse(line);
  });

  it('load shows what sidecars report of the calls they make', async () => {
    // The last interval of each sidecar is shown, so there must be calls in every interval.
    let isOver = false;
    const calling = (async () => {
      while (!isOver) await callOrders();
    })();
    const load = async () =>
      (await mesh.api.loads('orders.default')).flatMap((of) => of.localities);
    await until('a report comes', async () => (await load()).length > 0);
    const { stdout } = await run('load', 'orders');
    isOver = true;
    await calling;
    assert.match(
      stdout,
      /^SERVICE +VERSION +LOCALITY +REQUESTS\/S +ERRORS +IN PROGRESS +REPORTING\n/,
    );
    assert.match(stdout, /^orders\.default +v[12] +- +[\d.]+ +0\.0 % +\d+ +1$/m);
    assert.equal((await run('load', 'nobody')).code, 1);
  });

  describe('client status discovery over gRPC', () => {
    const path = '/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus';
    const request = {
      node_matchers: [{ node_id: { prefix: 'default/web.' } }],
      exclude_resource_contents: true,
    };

    function fetchStatus(metadata = new Metadata()): Promise<Buffer> {
      const client = new Client(`127.0.0.1:${mesh.plaintextXdsPort}`, credentials.createInsecure());
      const bytes = encodeMessage('envoy.service.status.v3.ClientStatusRequest', request);
      return new Promise<Buffer>((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          (message: Buffer) => message,
          (message: Buffer) => message,
          Buffer.from(bytes),
          metadata,
          (error, answer) => (answer === undefined ? reject(error) : resolve(answer)),
        );
      }).finally(() => client.close());
    }

    it('says of every resource of a sidecar that it is SYNCED, to an operator on this machine', async () => {
      const name = 'envoy.service.status.v3.ClientStatusResponse';
      const decoded = decodeMessage(name, await fetchStatus());
      assert.ok(decoded.ok);
      const [config, ...others] = decoded.value.message.config ?? [];
      assert.deepEqual(others, []);
      assert.equal(config?.node?.id, web.nodeId);
      const states = (config.generic_xds_configs ?? []).map((one) => one.config_status);
      assert.ok(states.length > 5);
      assert.deepEqual([...new Set(states)], ['SYNCED']);
    });

    it('says the same over REST', async () => {
      const response = await fetch(`${mesh.restUrl}/v3/discovery:client_status`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(request),
      });
      assert.equal(response.status, 200);
      assert.match(await response.text(), /"config_status":"SYNCED"/);
    });
  });
});

describe('client status discovery with an API token', () => {
  it('is denied to a sidecar’s token and to nobody’s, and answers the API token', async () => {
    const mesh = await TestMesh.start(documents, { apiToken: 'operators-only' });
    try {
      const sidecars = await mesh.api.createToken('web');
      const call = (authorization: string | null) => {
        const client = new Client(
          `127.0.0.1:${mesh.plaintextXdsPort}`,
          credentials.createInsecure(),
        );
        const metadata = new Metadata();
        if (authorization !== null) metadata.set('authorization', authorization);
        return new Promise<number>((resolve) => {
          client.makeUnaryRequest(
            '/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus',
            (message: Buffer) => message,
            (message: Buffer) => message,
            Buffer.alloc(0),
            metadata,
            (error) => resolve(error?.code ?? status.OK),
          );
        }).finally(() => client.close());
      };
      assert.equal(await call(null), status.PERMISSION_DENIED);
      assert.equal(await call(`Bearer ${sidecars}`), status.PERMISSION_DENIED);
      assert.equal(await call('Bearer operators-only'), status.OK);
    } finally {
      await mesh.stop();
    }
  });
});
