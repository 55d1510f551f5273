import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { grpcService, restSource } from '../../test/fakes/config-source.ts';
import type { RestSource } from '../api/config/config-source.ts';
import type { RestAnswer } from '../xds/rest-source.ts';
import { restCaller } from './rest-caller.ts';

describe('a call by REST', () => {
  const server = http.createServer((request, response) => {
    switch (request.url) {
      case '/silent':
        return;
      case '/half':
        response.writeHead(200, { 'content-length': 100 });
        response.write('{');
        return;
      case '/cut':
        response.writeHead(200, { 'content-length': 100 });
        response.write('{', () => request.socket.destroy());
        return;
      case '/upgrade':
        response.writeHead(101, { connection: 'upgrade', upgrade: 'other' });
        response.end();
        return;
      default:
        response.end('{}');
    }
  });
  let address = '';

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `127.0.0.1:${(server.address() as AddressInfo).port}`; // listens on TCP
  });
  after(() => {
    server.close();
    server.closeAllConnections();
  });

  const call = (path: string, overrides: Partial<RestSource> = {}) =>
    new Promise<RestAnswer>((resolve) => {
      const target = { ...grpcService().target, addresses: [address] };
      const source = restSource({ target, requestTimeoutMs: 60_000, ...overrides });
      restCaller(() => undefined)({ source, path, body: '{}' }, resolve);
    });

  it('is answered with what the server says', async () => {
    assert.deepEqual(await call('/'), { status: 200, body: '{}' });
  });

  it('may have a timeout of any length', async () => {
    for (const requestTimeoutMs of [60_000.5, 2 ** 40]) {
      assert.deepEqual(await call('/', { requestTimeoutMs }), { status: 200, body: '{}' });
    }
  });

  for (const [path, what, requestTimeoutMs] of [
    ['/silent', 'says nothing', 50],
    ['/half', 'stops in the middle', 50],
    ['/cut', 'goes away in the middle', 60_000],
    ['/upgrade', 'wants another protocol', 60_000],
  ] as const) {
    it(`ends when the server ${what}`, async () => {
      assert.ok('error' in (await call(path, { requestTimeoutMs })));
    });
  }
});
