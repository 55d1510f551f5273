// What one codec writes the other reads: for any message, in any cut, and twice through.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientHarness, ServerHarness } from '../../../test/fakes/http1.ts';
import { RequestHeaders, ResponseHeaders } from '../../api/headers.ts';

const name = fc
  .stringMatching(/^[a-z][a-z0-9!#$%&'*+.^_`|~-]{0,20}$/)
  .filter(
    (text) => !/^(host|connection|content-length|transfer-encoding|upgrade|expect|te)$/.test(text),
  );
const value = fc.stringMatching(/^([!-~\x80-\xff]([ -~\t\x80-\xff]{0,30}[!-~\x80-\xff])?)?$/);
const fields = fc.array(fc.tuple(name, value), { maxLength: 12 }).map((pairs) => pairs.flat());
const trailerFields = fc
  .array(
    fc.tuple(
      name.map((text) => `x-t-${text}`),
      value,
    ),
    { maxLength: 3 },
  )
  .map((pairs) => pairs.flat());
const body = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 5 });
const cutSizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 });

function feedCut(feed: (text: string) => void, text: string, sizes: readonly number[]): void {
  for (let at = 0, i = 0; at < text.length; i++) {
    const size = sizes[i % sizes.length]!;
    feed(text.slice(at, at + size));
    at += size;
  }
}

function joined(pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString('latin1');
}

function pairs(list: readonly string[]): string {
  let text = '';
  for (let i = 0; i < list.length; i += 2)
    text += `${i === 0 ? '' : '|'}${list[i]}: ${list[i + 1]}`;
  return text;
}

test('a request that the client codec writes is the request that the server codec reads', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PROPFIND'),
      fc.stringMatching(/^\/[!"$->@-~]{0,40}(\?[!"$-~]{0,40})?$/),
      fields,
      body,
      trailerFields,
      cutSizes,
      (method, path, list, pieces, trailers, sizes) => {
        const client = new ClientHarness();
        const { encoder } = client.open();
        const headers = new RequestHeaders(method, path, 'example.com:8080', 'http', [...list]);
        encoder.encodeHeaders(headers, pieces.length === 0);
        pieces.forEach((piece, i) => {
          const isLast = i === pieces.length - 1 && trailers.length === 0;
          encoder.encodeData(Buffer.from(piece), isLast);
        });
        if (pieces.length > 0 && trailers.length > 0) encoder.encodeTrailers([...trailers]);
        const server = new ServerHarness({}, null);
        feedCut((text) => server.feed(text), client.connection.output, sizes);
        assert.deepEqual(server.errors, []);
        const request = server.requests[0]!;
        const expected = [...list];
        if (
          pieces.length === 0 &&
          (method === 'POST' || method === 'PUT' || method === 'PROPFIND')
        ) {
          expected.push('content-length', '0');
        }
        const hasTrailers = pieces.length > 0 && trailers.length > 0;
        assert.equal(
          request.text(),
          `${method} ${path} @example.com:8080 [${pairs(expected)}] body=${joined(pieces)} trailers=${hasTrailers ? pairs(trailers) : '-'} end`,
        );
        assert.equal(request.encoder.bytesReceived(), encoder.bytesSent());
      },
    ),
    { numRuns: 150 },
  );
});

test('a response that the server codec writes is the response that the client codec reads', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 200, max: 999 }).filter((status) => status !== 204 && status !== 304),
      fields,
      body,
      fc.boolean(),
      cutSizes,
      (status, list, pieces, hasLength, sizes) => {
        const server = new ServerHarness({}, null);
        server.feed('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
        const { encoder } = server.requests[0]!;
        const sent = [...list];
        const text = joined(pieces);
        if (hasLength) sent.push('content-length', String(text.length));
        encoder.encodeHeaders(new ResponseHeaders(status, [...sent]), pieces.length === 0);
        pieces.forEach((piece, i) => {
          encoder.encodeData(Buffer.from(piece), i === pieces.length - 1);
        });
        const client = new ClientHarness();
        const { encoder: request, response } = client.open();
        request.encodeHeaders(new RequestHeaders('GET', '/', 'a', 'http', []), true);
        feedCut((data) => client.feed(data), server.connection.output, sizes);
        if (pieces.length === 0 && !hasLength) sent.push('content-length', '0');
        assert.equal(
          response.text(),
          `1xx= ${status} [${pairs(sent)}] body=${text} trailers=- end reset=null`,
        );
        assert.equal(client.codec.canReuse(), true);
      },
    ),
    { numRuns: 150 },
  );
});

test('no input whatever makes a codec throw, and a server answers at most one error', () => {
  const noise = fc.array(
    fc.oneof(
      fc.constantFrom(
        'GET / HTTP/1.1\r\n',
        'Host: a\r\n',
        '\r\n',
        '\r',
        '\n',
        ':',
        ' ',
        '\0',
        '0',
        'ff\r\n',
      ),
      fc.constantFrom(
        'Transfer-Encoding: chunked\r\n',
        'Content-Length: 3\r\n',
        'HTTP/1.1 200 OK\r\n',
      ),
      fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(noise, cutSizes, (parts, sizes) => {
      const input = parts.join('');
      const server = new ServerHarness();
      feedCut((text) => server.feed(text), input, sizes);
      assert.ok(server.errors.length <= 1);
      const client = new ClientHarness();
      const { encoder } = client.open();
      encoder.encodeHeaders(new RequestHeaders('GET', '/', 'a', 'http', []), true);
      feedCut((text) => client.feed(text), input, sizes);
      assert.ok(client.errors.length <= 1);
    }),
    { numRuns: 300 },
  );
});
