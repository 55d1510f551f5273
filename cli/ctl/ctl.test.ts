import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Command } from 'commander';
import { paintFor } from '../print/colour.ts';
import { formatAge, formatTable } from '../print/table.ts';
import type { MeshObject, ProxyStatus } from '../rest-client.ts';
import { resourceTable } from './config-dump.ts';
import { readSources } from './files.ts';
import { objectTable } from './get.ts';
import * as ctl from './index.ts';
import { proxyStatusTable } from './proxy-status.ts';
import { parseTtl } from './token.ts';

const nowMs = Date.parse('2026-01-01T00:05:00Z');
const synced = { state: 'SYNCED', since: '2026-01-01T00:00:00Z', error: null };
const node: ProxyStatus = {
  node: 'default/orders.1',
  service: 'orders.default',
  version: 'v1',
  address: '10.0.0.1:15006',
  client: 'remora/0.1.0',
  waits: [],
  stream: { protocol: 'delta', connectedSeconds: 75 },
  types: { CDS: synced, EDS: synced, SDS: synced, LDS: synced, RDS: synced },
};

describe('tables', () => {
  it('pad columns and leave nothing behind the last', () => {
    assert.equal(
      formatTable(
        ['A', 'LONG'],
        [
          ['wide', 'x'],
          ['', 'y'],
        ],
      ),
      'A     LONG\nwide  x\n      y\n',
    );
  });

  it('show control characters of names as question marks', () => {
    assert.equal(formatTable(['A'], [['\x1b[31mred\r\n']]), 'A\n?[31mred??\n');
  });

  it('show ages in one unit', () => {
    assert.deepEqual([5, 119.9, 300, 9000, 200_000].map(formatAge), [
      '5s',
      '119s',
      '5m',
      '2h',
      '2d',
    ]);
  });

  it('of proxies put reasons of rejections and what is waited for below', () => {
    const rejected: ProxyStatus = {
      ...node,
      node: 'default/b',
      version: null,
      stream: null,
      types: {
        ...node.types,
        LDS: { state: 'NACKED', since: '2026-01-01T00:04:48Z', error: 'inbound: no\nand no\n' },
        RDS: { state: 'NOT_SENT', since: null, error: null },
      },
    };
    const waiting: ProxyStatus = {
      ...node,
      waits: [
        { type: 'EDS', name: 'x', reason: 'missing', seconds: 12 },
        ...['a', 'b', 'c', 'd'].map((name) => {
          return { type: 'CDS', name, reason: 'unanswered', seconds: 3 };
        }),
        { type: 'LDS', name: 'l', reason: 'unanswered', seconds: 0.2 },
      ],
    };
    assert.equal(
      proxyStatusTable([waiting, rejected], nowMs),
      `NODE              SERVICE         VERSION  ADDRESS         XDS            CDS        EDS        SDS        LDS         RDS
default/orders.1  orders.default  v1       10.0.0.1:15006  delta 75s      SYNCED 5m  SYNCED 5m  SYNCED 5m  SYNCED 5m   SYNCED 5m
default/b         orders.default  -        10.0.0.1:15006  not connected  SYNCED 5m  SYNCED 5m  SYNCED 5m  NACKED 12s  NOT_SENT
default/b refuses LDS since 12s: inbound: no; and no
default/orders.1 waits for EDS x since 12s: the control plane has none
default/orders.1 has not answered CDS (a, b, c and 1 more) since 3s
`,
    );
  });

  it('are coloured only where they are told to be, and stay aligned', () => {
    const painted = proxyStatusTable([node], nowMs, (text, colour) => `<${colour}>${text}</>`);
    assert.match(painted, /<green>SYNCED 5m<\/> {2}<green>SYNCED 5m/);
    assert.ok(!proxyStatusTable([node], nowMs).includes('\x1b'));
    assert.equal(paintFor({ isTTY: false })('x', 'red'), 'x');
    assert.equal(paintFor({})('x', 'red'), 'x');
  });

  it('of objects say what each is about and what is wrong with it', () => {
    const object = (kind: string, spec: object, status?: object): MeshObject =>
      ({
        apiVersion: 'x',
        kind,
        metadata: { name: 'a', namespace: 'default', labels: { 'remora.dev/joined': 'true' } },
        spec,
        ...(status === undefined ? {} : { status }),
      }) as MeshObject; // as the API sends it
    const route = object(
      'HTTPRoute',
      {
        parentRefs: [{ name: 'orders' }],
        rules: [{ backendRefs: [{ name: 'orders-v1', weight: 90 }, { name: 'orders-v2' }] }],
      },
      { source: 'rest', conditions: [{ type: 'Current', status: 'False', message: 'bad' }] },
    );
    assert.equal(
      objectTable([route, object('Workload', { service: 's', address: '::1', inboundPort: 1 })]),
      `NAMESPACE  NAME  ABOUT                               SOURCE  STATUS
default    a     of orders: orders-v1=90 orders-v2=1  rest    Current=False: bad
default    a     s ::1:1                             joined  ok
`
        .replaceAll(/ABOUT {31}/g, 'ABOUT                                ')
        .replace('s ::1:1                             ', 's ::1:1                              '),
    );
  });

  it('of objects show what a service speaks and where a GRPCRoute leads', () => {
    const about = (kind: string, spec: object) => {
      const object = { apiVersion: 'x', kind, metadata: { name: 'a', namespace: 'd' }, spec };
      const [, row = ''] = objectTable([object as MeshObject]).split('\n'); // as the API sends it
      return row.replace(/^d +a +/, '').replace(/ +- +ok$/, '');
    };
    const versions = [{ name: 'v1' }];
    assert.equal(about('Service', { ports: [{ port: 80 }], versions }), ':80 v1');
    assert.equal(about('Service', { ports: [{ port: 80, protocol: 'GRPC' }] }), ':80 GRPC');
    assert.equal(about('Service', { ports: [{ port: 80, appProtocol: 'http2' }] }), ':80 http2');
    const rules = [{ backendRefs: [{ name: 'a-v1', weight: 9 }, { name: 'a-v2' }] }];
    assert.equal(about('GRPCRoute', { parentRefs: [{ name: 'a' }], rules }), 'of a: a-v1=9 a-v2=1');
  });

  it('of resources list kinds and names', () => {
    assert.equal(
      resourceTable({ cluster: [{ name: 'c' }], endpoint: [{ cluster_name: 'e' }] }),
      'TYPE      NAME\ncluster   c\nendpoint  e\n',
    );
  });
});

describe('ctl', () => {
  let server: Server;
  let url: string;
  let requests: { method: string; path: string; body: string; authorization: string }[];
  let answer: { status: number; body: unknown };
  let directory: string;

  beforeEach(async () => {
    requests = [];
    answer = { status: 200, body: {} };
    directory = mkdtempSync(join(tmpdir(), 'remora-ctl-'));
    server = createServer((request, response) => {
      void bodyOf(request).then((body) => {
        const { method = '', url: path = '', headers } = request;
        requests.push({ method, path, body, authorization: headers.authorization ?? '' });
        response.writeHead(answer.status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(answer.body));
      });
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // TCP, so not a string
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true });
    process.exitCode = undefined;
  });

  async function bodyOf(request: IncomingMessage): Promise<string> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    return body;
  }

  /** Runs a command line and returns what it printed. */
  async function run(...args: string[]): Promise<string> {
    const program = new Command();
    ctl.register(program);
    const override = (command: Command): void => {
      command.exitOverride().configureOutput({ writeErr: () => {} });
      command.commands.forEach(override);
    };
    override(program);
    const written: string[] = [];
    const original = process.stdout.write;
    // The test runner writes its own reports as bytes.
    process.stdout.write = ((chunk: string | Uint8Array) => {
      if (typeof chunk !== 'string') return original.call(process.stdout, chunk);
      written.push(chunk);
      return true;
    }) as typeof process.stdout.write;
    try {
      await program.parseAsync(['ctl', ...args, '--server', url], { from: 'user' });
    } finally {
      process.stdout.write = original;
    }
    return written.join('');
  }

  it('applies all files of a directory in one call', async () => {
    for (const name of ['b.yaml', 'a.yml', 'c.txt']) writeFileSync(join(directory, name), name);
    answer.body = { results: [{ key: 'Service default/a', change: 'created' }] };
    assert.equal(await run('apply', '-f', directory), 'Service default/a created\n');
    assert.deepEqual(JSON.parse(requests[0]?.body ?? ''), {
      files: ['a.yml', 'b.yaml'].map((name) => ({ name: join(directory, name), text: name })),
    });
  });

  it('prints every problem of a refused document', async () => {
    writeFileSync(join(directory, 'a.yaml'), 'x');
    answer = {
      status: 422,
      body: {
        error: {
          code: 'invalid',
          message: '2 problems; nothing was changed',
          problems: [{ text: 'a.yaml:1:1 one' }, { text: 'a.yaml:2:1 two' }],
        },
      },
    };
    await assert.rejects(run('apply', '-f', directory), {
      code: 'invalid',
      message: 'a.yaml:1:1 one\na.yaml:2:1 two\n2 problems; nothing was changed',
    });
  });

  it('says what to do when no control plane answers', async () => {
    server.close();
    await assert.rejects(
      run('get', 'services'),
      /no control plane answers at http.*ECONNREFUSED.*remora controlplane --config/,
    );
  });

  it('sends the API token of a file, and says that one is wanted', async () => {
    const file = join(directory, 'token');
    writeFileSync(file, 'secret\n');
    answer.body = { items: [] };
    await run('get', 'services', '--api-token-file', file);
    assert.equal(requests[0]?.authorization, 'Bearer secret');
    answer = { status: 401, body: {} };
    await assert.rejects(run('get', 'services'), /wants an API token: give --api-token-file/);
  });

  it('deletes what files define, last first', async () => {
    const file = join(directory, 'a.yaml');
    writeFileSync(
      file,
      'kind: Service\nmetadata: {name: a}\n---\nkind: HTTPRoute\nmetadata: {name: b, namespace: n}\n',
    );
    answer.body = { key: 'x', change: 'restored' };
    assert.match(
      await run('delete', '-f', file),
      /^x deleted; the file’s document is in force again\n/,
    );
    assert.deepEqual(
      requests.map(({ method, path }) => `${method} ${path}`),
      ['DELETE /v1/resources/HTTPRoute/n/b', 'DELETE /v1/resources/Service/default/a'],
    );
    await assert.rejects(run('delete'), { code: 'commander.error' });
  });

  it('prints a token and nothing else', async () => {
    answer.body = { token: 'remora1.a.b' };
    assert.equal(await run('token', '--service', 'orders', '--ttl', '2h'), 'remora1.a.b\n');
    assert.deepEqual(JSON.parse(requests[0]?.body ?? ''), {
      service: 'orders',
      namespace: 'default',
      ttlSeconds: 7200,
    });
    assert.throws(() => parseTtl('5'), /expected a duration/);
    assert.equal(parseTtl('90d'), 7_776_000);
  });

  it('exits with 1 when a proxy rejects its configuration', async () => {
    answer.body = { revision: 1, reconciledRevision: 1, items: [node] };
    await run('proxy-status');
    assert.equal(process.exitCode, undefined);
    answer.body = {
      revision: 1,
      reconciledRevision: 1,
      items: [{ ...node, types: { ...node.types, CDS: { ...synced, state: 'NACKED' } } }],
    };
    await run('ps', '-o', 'json');
    assert.equal(process.exitCode, 1);
  });

  it('prints one type of a dump as YAML', async () => {
    answer.body = { cluster: [{ name: 'c' }], route: [{ name: 'r' }] };
    assert.equal(
      await run('config-dump', 'default/a', '-t', 'route', '-o', 'yaml'),
      'route:\n  - name: r\n',
    );
    assert.equal(requests[0]?.path, '/v1/config-dump?node=default%2Fa');
    await assert.rejects(
      run('config-dump', 'default/a', '-t', 'foo'),
      /no type "foo"; there are cluster/,
    );
  });

  it('names a file that is not there', () => {
    assert.throws(() => readSources([join(directory, 'nope')]), /nope cannot be read: ENOENT/);
    assert.throws(() => readSources([directory]), /has no \.yaml/);
  });
});
