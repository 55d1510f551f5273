// H2-29: requests that come over HTTP/2 share HTTP/1 connections upstream. Whatever is legal in them, each answer
// belongs to its request, and the upstream reads exactly the requests that were sent. Random, from a printed seed;
// the commit suite takes 3,000 pairs, REMORA_SOAK=1 the 100,000 of the spec.

import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { SeededRandom } from '../fuzz/random.ts';
import { HostileScene } from './harness.ts';

const isSoak = process.env['REMORA_SOAK'] === '1';
const PAIRS = isSoak ? 100_000 : 3000;
const AT_ONCE = 20;
const SEED = isSoak ? Date.now() % 1_000_000 : 29;

const methods = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH'];
/** Legal, and what a parser of another mind would take for something else. */
const values = [
  '0',
  'chunked',
  '0\t5',
  'GET /smuggled HTTP/1.1',
  'a, b',
  '"quoted\\""',
  'close',
  ': x',
  '\x80\xff',
  '',
];
const names = [
  'x',
  'x-content-length',
  'content-encoding',
  'x-transfer-encoding',
  'expect-ct',
  'range',
  'x-http-method-override',
];
const bodies = [
  '',
  'x',
  '0\r\n\r\n',
  'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
  'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n',
  'y'.repeat(20_000),
];

describe('Suite C, HTTP/2 to HTTP/1', () => {
  let scene: HostileScene;
  before(async () => {
    scene = await HostileScene.start({ hcm: ['server_header_transformation: PASS_THROUGH'] });
  });
  after(() => scene.stop());

  test(`H2-29 ${PAIRS} pairs of random requests are answered each by its own (seed ${SEED})`, async () => {
    scene.upstream.otherAnswer = (socket, { headers, method, body }) => {
      const id = headers.find(([name]) => name === 'x-id')?.[1] ?? 'none';
      const answer = `${id} ${body.length}`;
      const head = `HTTP/1.1 200 OK\r\nx-id: ${id}\r\ncontent-length: ${answer.length}\r\n\r\n`;
      socket.write(method === 'HEAD' ? head : head + answer);
    };
    const random = new SeededRandom(SEED);
    const client = http2.connect(`http://127.0.0.1:${scene.port}`);
    client.on('error', () => {}); // each request tells of its own
    let id = 0;
    const exchange = (): Promise<void> => {
      const own = `${++id}`;
      const body = random.pick(bodies);
      const method = random.pick(methods);
      const headers: http2.OutgoingHttpHeaders = {
        ':method': method,
        ':path': `/${random.below(1000)}?${random.pick(['', 'a=b', '%0d%0a'])}`,
        'x-id': own,
      };
      for (let left = random.below(4); left > 0; left--)
        headers[random.pick(names)] = random.pick(values);
      if (body !== '' && random.oneIn(2)) headers['content-length'] = `${body.length}`;
      return new Promise((resolve, reject) => {
        const request = client.request(headers, { endStream: body === '' });
        let answer = '';
        let answeredId: string | undefined;
        request.setEncoding('latin1');
        request.on('response', (response) => {
          answeredId = String(response['x-id']);
        });
        request.on('data', (text: string) => {
          answer += text;
        });
        request.on('error', reject);
        request.on('end', () => {
          try {
            assert.equal(answeredId, own);
            assert.equal(answer, method === 'HEAD' ? '' : `${own} ${body.length}`);
            resolve();
          } catch (thrown) {
            reject(thrown);
          }
        });
        if (body !== '') request.end(body, 'latin1');
      });
    };
    for (let done = 0; done < 2 * PAIRS; done += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, exchange));
      assert.equal(scene.upstream.take().length, AT_ONCE);
    }
    client.destroy();
  });
});
