import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { parse } from 'yaml';
import { silentLogger } from '../../common/logger.ts';
import { until } from '../../test/fakes/ads-harness.ts';
import { readDocuments } from '../model/documents.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { MeshDocuments } from '../store/mesh-documents.ts';
import type { ApiDependencies } from './dependencies.ts';
import { openApiDocument } from './openapi.ts';
import { createApiServer } from './server.ts';

const service = {
  apiVersion: 'remora.dev/v1',
  kind: 'Service',
  metadata: { name: 'orders' },
  spec: { ports: [{ port: 80 }] },
};

describe('the REST API', () => {
  let documents: MeshDocuments;
  let server: FastifyInstance;
  let hasProxylessClients: boolean;
  /** Lines of a trace; null = no more traces. */
  let lines: string[] | null;
  let wake: () => void;
  let stopped: number;

  function create(token: string | null): FastifyInstance {
    const api: ApiDependencies = {
      documents,
      joined: () => [],
      hasProxylessClients: () => hasProxylessClients,
      info: () => ({ trustDomain: 'a.test' }),
      proxyStatus: () => [],
      proxyConfig: (node, kind) =>
        node === 'default/a' ? { node: `${node} ${kind}`, isConnected: false, items: [] } : null,
      proxyConfigDiff: (node) =>
        node === 'default/a' ? { node, isConnected: false, items: [] } : null,
      metrics: () => 'remora_cp_streams 1\n',
      releaseHeldBack: (node) => (node === null ? ['a', 'b'] : [node]),
      clientStatus: (request) =>
        'config' in (request as object)
          ? { ok: false, errors: { kind: 'invalid', message: 'no' } }
          : { ok: true, value: { config: [] } },
      loads: () => [
        {
          service: 'orders.default',
          version: null,
          cluster: 'c',
          droppedPerSecond: 0,
          localities: [],
        },
      ],
      trace: (_node, onLine) => {
        if (lines === null) return null;
        wake = onLine;
        const waiting = lines;
        return { take: () => waiting.shift() ?? null, stop: () => stopped++ };
      },
      reconciledRevision: () => documents.store.revision,
      configDump: (node) => (node === 'default/a' ? { cluster: [] } : null),
      explainPolicy: (_namespace, name) => (name === 'orders' ? { about: 'orders.default' } : null),
      issueToken: (name) => (name === 'orders' ? { token: 't', expiresAt: 'later' } : null),
      logger: silentLogger(),
    };
    return createApiServer({ ...api, token });
  }

  beforeEach(() => {
    hasProxylessClients = false;
    documents = new MeshDocuments(new MemoryStore());
    server = create(null);
    lines = [];
    stopped = 0;
  });

  async function call(options: InjectOptions) {
    const response = await server.inject({
      ...options,
      headers: { host: '127.0.0.1:18080', ...options.headers },
    });
    const body: unknown = response.body.startsWith('{') ? JSON.parse(response.body) : response.body;
    // Tests look into answers by path.
    return { status: response.statusCode, body: body as never as Record<string, never> };
  }
  const put = (object: object, path = 'service/default/orders') =>
    call({ method: 'PUT', url: `/v1/resources/${path}`, payload: object });
  const errorOf = (answer: { body: Record<string, unknown> }) =>
    answer.body['error'] as { code: string; message: string; problems?: { text: string }[] };

  it('creates, reads, lists and deletes an object, with revision and status', async () => {
    assert.deepEqual((await put(service)).body, {
      revision: 1,
      results: [{ key: 'Service default/orders', change: 'created' }],
    });
    const read = await call({ url: '/v1/resources/Services/default/orders' });
    assert.equal(read.status, 200);
    assert.deepEqual(read.body['metadata'], {
      name: 'orders',
      namespace: 'default',
      resourceVersion: '1',
    });
    assert.match(JSON.stringify(read.body['status']), /"Accepted","status":"True"/);
    const list = await call({ url: '/v1/resources?kind=service&namespace=default' });
    assert.deepEqual(list.body['items'], [read.body]);
    const gone = await call({ method: 'DELETE', url: '/v1/resources/service/default/orders' });
    assert.deepEqual(gone.body, { key: 'Service default/orders', change: 'deleted' });
    assert.equal((await call({ url: '/v1/resources/service/default/orders' })).status, 404);
  });

  it('says what proxyless gRPC clients do not do, while there are any', async () => {
    const spec = { ports: [{ port: 80, protocol: 'GRPC' }] };
    await put({ ...service, spec });
    const policy = {
      apiVersion: 'remora.dev/v1',
      kind: 'TrafficPolicy',
      metadata: { name: 'orders' },
      spec: { targetRef: { kind: 'Service', name: 'orders' }, retries: { budgetPercent: 10 } },
    };
    await put(policy, 'trafficpolicy/default/orders');
    const status = async () => {
      const { body } = await call({ url: '/v1/resources/trafficpolicy/default/orders' });
      return JSON.stringify(body['status']);
    };
    assert.doesNotMatch(await status(), /ProxylessGrpc/);
    hasProxylessClients = true;
    assert.match(
      await status(),
      /"ProxylessGrpc","status":"False","reason":"PartlySupported","message":"[^"]*spec.retries.budgetPercent: they have no budget"/,
    );
  });

  it('gives its counters to Prometheus and lets through what was held back', async () => {
    const metrics = await call({ url: '/metrics' });
    assert.equal(String(metrics.body), 'remora_cp_streams 1\n');
    const release = (query: string) => call({ method: 'POST', url: `/v1/xds/release${query}` });
    assert.deepEqual((await release('')).body, { released: ['a', 'b'] });
    assert.deepEqual((await release('?node=default/x')).body, { released: ['default/x'] });
    assert.equal((await release('?node=x&node=y')).status, 400);
  });

  it('takes back what it gave out, and refuses it when it is no longer current', async () => {
    await put(service);
    const { body } = await call({ url: '/v1/resources/service/default/orders' });
    const changed = { ...body, spec: { ports: [{ port: 81 }] } };
    assert.equal((await put(changed)).status, 200);
    const stale = await put(changed);
    assert.equal(stale.status, 409);
    assert.match(errorOf(stale).message, /changed by somebody else/);
  });

  it('names every problem with file, line and column and changes nothing', async () => {
    const text =
      'apiVersion: remora.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 0}], x: 1}\n';
    const answer = await call({
      method: 'POST',
      url: '/v1/apply',
      payload: { files: [{ name: 'a.yaml', text }] },
    });
    assert.equal(answer.status, 422);
    assert.deepEqual(
      errorOf(answer).problems?.map((problem) => problem.text.slice(0, 11)),
      ['a.yaml:4:31', 'a.yaml:4:23'],
    );
    assert.equal(documents.store.revision, 0);
  });

  it('takes YAML as it is', async () => {
    const answer = await call({
      method: 'POST',
      url: '/v1/apply?source=x.yaml',
      headers: { 'content-type': 'application/yaml' },
      payload: 'kind: [',
    });
    assert.equal(answer.status, 422);
    assert.match(errorOf(answer).problems?.[0]?.text ?? '', /^x\.yaml:1:/);
  });

  it('refuses a path that names another object than the body', async () => {
    const answer = await put(service, 'service/default/other');
    assert.equal(answer.status, 400);
  });

  it('answers unknown kinds, nodes and services with 404 and what there is', async () => {
    assert.match(
      errorOf(await call({ url: '/v1/resources?kind=gateway' })).message,
      /there are MeshConfig/,
    );
    assert.equal((await call({ url: '/v1/config-dump?node=default/b' })).status, 404);
    assert.equal((await call({ url: '/v1/config-dump?node=default/a' })).status, 200);
    const token = await call({ method: 'POST', url: '/v1/tokens', payload: { service: 'nobody' } });
    assert.match(errorOf(token).message, /"nobody" does not exist/);
    const wrong = await call({
      method: 'POST',
      url: '/v1/tokens',
      payload: { service: 'orders', ttlSeconds: -1 },
    });
    assert.equal(wrong.status, 400);
  });

  it('refuses hostile JSON, other content types and bodies that are too large', async () => {
    const send = (payload: string, type = 'application/json') =>
      call({ method: 'POST', url: '/v1/apply', headers: { 'content-type': type }, payload });
    assert.equal((await send('{"__proto__": {"x": 1}}')).status, 400);
    assert.equal((await send('{"files": ')).status, 400);
    assert.equal((await send('<a/>', 'text/xml')).status, 415);
    assert.equal((await send(`"${'x'.repeat(9 * 1024 * 1024)}"`)).status, 413);
  });

  it('answers without a token only to loopback host names', async () => {
    for (const host of ['localhost:18080', '127.0.0.1', '[::1]:18080']) {
      assert.equal((await call({ url: '/healthz', headers: { host } })).status, 200, host);
    }
    for (const host of ['evil.example:18080', '10.0.0.1', '127.0.0.1.evil.example']) {
      assert.equal((await call({ url: '/healthz', headers: { host } })).status, 403, host);
    }
  });

  it('with a token asks every route for it, however the path is spelt', async () => {
    const urls = [
      '/healthz',
      '/v1/resources',
      '/v1//resources',
      '/v1/resources/',
      '/V1/info',
      '/%761/info',
      '/nope',
    ];
    server = create('secret');
    for (const url of urls) {
      for (const authorization of ['', 'Bearer wrong', 'Bearer secretx', 'Basic secret']) {
        const answer = await call({ url, headers: { authorization } });
        assert.equal(answer.status, 401, `${url} ${authorization}`);
      }
    }
    const headers = { authorization: 'Bearer secret', host: 'anything' };
    assert.equal((await call({ url: '/v1/info', headers })).status, 200);
  });

  it('shows what a node is served, of one kind or all, and refuses other kinds', async () => {
    const { body } = await call({ url: '/v1/proxy-config?node=default/a&kind=cluster' });
    assert.equal(body['node'], 'default/a cluster');
    const all = await call({ url: '/v1/proxy-config?node=default/a' });
    assert.equal(all.body['node'], 'default/a null');
    assert.equal((await call({ url: '/v1/proxy-config?node=default/a&kind=x' })).status, 400);
    for (const path of ['proxy-config', 'proxy-config/diff', 'xds-trace', 'config-dump']) {
      assert.equal((await call({ url: `/v1/${path}` })).status, 400, path);
      assert.equal((await call({ url: `/v1/${path}?node=default/b` })).status, 404, path);
    }
  });

  it('answers CSDS over REST', async () => {
    const url = '/v3/discovery:client_status';
    const payload = { node_matchers: [] };
    assert.deepEqual((await call({ method: 'POST', url, payload })).body, { config: [] });
    assert.equal((await call({ method: 'POST', url, payload: { config: 1 } })).status, 400);
  });

  it('shows the load of one Service or all', async () => {
    const all = await call({ url: '/v1/load' });
    const one = await call({ url: '/v1/load?service=orders.default' });
    assert.equal(all.body['items']?.['length'], 1);
    assert.deepEqual(one.body, all.body);
    assert.equal((await call({ url: '/v1/load?service=nobody.default' })).status, 404);
  });

  it('streams a trace line by line and stops it when the reader goes', async () => {
    const url = await server.listen({ host: '127.0.0.1', port: 0 });
    lines = ['{"event":"tracing"}'];
    const going = new AbortController();
    const { signal } = going;
    const response = await fetch(`${url}/v1/xds-trace?node=default/a`, { signal });
    assert.equal(response.headers.get('content-type'), 'application/x-ndjson');
    const reader = response.body?.getReader();
    const read = async () => Buffer.from((await reader?.read())?.value ?? []).toString();
    assert.equal(await read(), '{"event":"tracing"}\n');
    lines.push('{"event":"ACK"}');
    wake();
    assert.equal(await read(), '{"event":"ACK"}\n');
    going.abort();
    await until('the trace ends', () => stopped === 1);
    lines = null;
    assert.equal((await call({ url: '/v1/xds-trace?node=default/a' })).status, 429);
    await server.close();
  });

  it('describes exactly the routes that there are', async () => {
    const { paths } = openApiDocument() as { paths: Record<string, Record<string, unknown>> };
    const methods = ['get', 'put', 'post', 'delete'] as const;
    const described = Object.entries(paths).flatMap(([path, operations]) =>
      methods
        .filter((method) => method in operations)
        .map(
          (method) =>
            `${method.toUpperCase()} ${path.replaceAll(':', '::').replaceAll(/\{(\w+)\}/g, ':$1')}`,
        ),
    );
    await server.ready();
    for (const entry of described) {
      const [method, url] = entry.split(' ') as ['GET', string];
      assert.ok(server.hasRoute({ method, url }), `described but not there: ${entry}`);
    }
    const there =
      server.printRoutes({ commonPrefix: false }).match(/\((GET|PUT|POST|DELETE)[^)]*\)/g) ?? [];
    const count = there.flatMap((list) => list.match(/GET|PUT|POST|DELETE/g) ?? []).length;
    assert.equal(count, described.length, 'a route is not described');
    const yaml = await call({ url: '/openapi.yaml' });
    assert.deepEqual(parse(String(yaml.body)), JSON.parse(JSON.stringify(openApiDocument())));
  });

  it('shows of a file’s object that its newer version is refused', async () => {
    const text = JSON.stringify(service);
    const good = readDocuments(text, 'mesh.yaml');
    documents.replaceFiles(good.objects, good.problems);
    const bad = readDocuments(text.replace('80', '0'), 'mesh.yaml');
    documents.replaceFiles(bad.objects, bad.problems);
    const { body } = await call({ url: '/v1/resources/service/default/orders' });
    assert.match(
      JSON.stringify(body['status']),
      /"Current","status":"False","reason":"Invalid","message":"a newer version is refused: mesh\.yaml:1:/,
    );
  });
});
