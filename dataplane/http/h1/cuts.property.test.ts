// Any way of cutting a message, or a row of messages, gives the same events; and what reads as a message is written
// as that message again. The inputs are the kept corpus of the fuzz targets and messages that fast-check makes up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readCorpus } from '../../../test/fuzz/corpus.ts';
import { everyCut, feedClient, feedServer } from '../../../test/fuzz/feed.ts';
import { reEmitted } from '../../../test/fuzz/http1-targets.ts';
import { parseStream } from '../../../test/garden/strict-parser.ts';

const token = fc.stringMatching(/^[a-z][a-z0-9!#$%&'*+.^_`|~-]{0,12}$/);
/** Prefixed, so that no name frames, routes or is hop-by-hop. */
const fieldName = token.map((name) => `x-${name}`);
const fieldValue = fc.stringMatching(/^([!-~\x80-\xff]([ -~\t\x80-\xff]{0,20}[!-~\x80-\xff])?)?$/);
const fields = fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 6 });
const blank = fc.constantFrom('', ' ', '\t', '  \t ');
const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 4 });

interface Made {
  /** As on the wire, in a form of the maker's choice. */
  readonly text: string;
  readonly method: string;
  readonly target: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
}

function latin1(pieces: readonly Uint8Array[]): string {
  return Buffer.concat(pieces).toString('latin1');
}

/** Header lines with random case and blanks: nothing of that may be seen afterwards. */
const fieldLines = (list: readonly (readonly [string, string])[]) =>
  fc.tuple(...list.map(() => fc.tuple(fc.boolean(), blank, blank))).map((styles) =>
    list
      .map(([name, value], i) => {
        const [isUpper, before, after] = styles[i] ?? [false, '', ''];
        return `${isUpper ? name.toUpperCase() : name}:${before}${value}${after}\r\n`;
      })
      .join(''),
  );

interface FramedBody {
  readonly line: string;
  readonly wire: string;
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
}

const framed = fc
  .record({ kind: fc.constantFrom('none', 'length', 'chunked'), chunks, trailers: fields })
  .chain(({ kind, chunks: pieces, trailers }): fc.Arbitrary<FramedBody> => {
    if (kind === 'none') return fc.constant({ line: '', wire: '', body: '', trailers: [] });
    const body = latin1(pieces);
    if (kind === 'length') {
      return fc.constantFrom('', '0', '000').map((zeros) => ({
        line: `Content-Length: ${zeros}${body.length}\r\n`,
        wire: body,
        body,
        trailers: [],
      }));
    }
    return fc
      .tuple(
        fc.constantFrom('', '0', '00'),
        fc.constantFrom('', ';a', ';a="b;c"'),
        fieldLines(trailers),
      )
      .map(([zeros, extension, lines]) => {
        const wire = pieces
          .map(
            (piece) => `${zeros}${piece.length.toString(16)}${extension}\r\n${latin1([piece])}\r\n`,
          )
          .join('');
        return {
          line: 'Transfer-Encoding: chunked\r\n',
          wire: `${wire}0\r\n${lines}\r\n`,
          body,
          trailers,
        };
      });
  });

const request: fc.Arbitrary<Made> = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND'),
    target: fc.stringMatching(/^\/[!"$->@-~]{0,30}(\?[!"$-~]{0,30})?$/),
    list: fields,
    framed,
    emptyLines: fc.constantFrom('', '', '\r\n', '\r\n\r\n'),
  })
  .chain(({ method, target, list, framed: body, emptyLines }) =>
    fieldLines(list).map((lines) => ({
      text: `${emptyLines}${method} ${target} HTTP/1.1\r\nHost: a\r\n${lines}${body.line}\r\n${body.wire}`,
      method,
      target,
      fields: list,
      body: body.body,
      trailers: body.trailers,
    })),
  );

const cutList = fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 30 });

function cutsWithin(positions: readonly number[], length: number): number[] {
  return [...new Set(positions.map((position) => position % length))]
    .filter((position) => position > 0)
    .sort((a, b) => a - b);
}

test('H1-45 every request of the corpus gives the same events whole and byte by byte', async () => {
  for (const { name, bytes } of readCorpus('http1-request')) {
    if (bytes.length > 5000) continue;
    const whole = await feedServer(bytes, [], false);
    const bytewise = await feedServer(bytes, everyCut(bytes.length), false);
    assert.equal(bytewise.summary(), whole.summary(), name);
    for (let at = 1; at < bytes.length; at += bytes.length < 400 ? 1 : 37) {
      assert.equal(
        (await feedServer(bytes, [at], true)).summary(),
        whole.summary(),
        `${name} cut at ${at}`,
      );
    }
  }
});

test('every response of the corpus gives the same events whole, byte by byte and cut in two', () => {
  for (const { name, bytes } of readCorpus('http1-response')) {
    if (bytes.length > 5000) continue;
    for (const method of ['GET', 'HEAD']) {
      const { text } = feedClient(bytes, [], method);
      assert.equal(feedClient(bytes, everyCut(bytes.length), method).text, text, name);
      for (let at = 1; at < bytes.length; at++) {
        assert.equal(feedClient(bytes, [at], method).text, text, `${name} cut at ${at}`);
      }
    }
  }
});

test('pipelined requests of any form come up as they were meant, in any cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { minLength: 1, maxLength: 4 }),
      cutList,
      async (made, positions) => {
        const bytes = Buffer.from(made.map(({ text }) => text).join(''), 'latin1');
        const harness = await feedServer(
          bytes,
          cutsWithin(positions, bytes.length),
          positions.length % 2 === 0,
        );
        assert.deepEqual(harness.errors, []);
        assert.deepEqual(
          harness.requests.map(({ headers, body }) => [headers?.method, headers?.path, body]),
          made.map(({ method, target, body }) => [method, target, body]),
        );
        assert.ok(harness.requests.every(({ isComplete }) => isComplete));
      },
    ),
    { numRuns: 150 },
  );
});

test('what a request becomes on the wire is the request, and nothing else, for another parser', async () => {
  await fc.assert(
    fc.asyncProperty(request, async (made) => {
      const harness = await feedServer(Buffer.from(made.text, 'latin1'), [], false);
      const [recorded] = harness.requests;
      assert.ok(recorded !== undefined && recorded.headers !== null);
      const { requests, rest, reason } = parseStream(
        Buffer.from(reEmitted(recorded, recorded.headers), 'latin1'),
      );
      assert.equal(rest, 'nothing', reason);
      assert.equal(requests.length, 1);
      const [seen] = requests;
      assert.equal(seen?.method, made.method);
      assert.equal(seen?.target, made.target);
      assert.equal(seen?.body.toString('latin1'), made.body);
      assert.deepEqual(
        seen?.headers.filter(([name]) => name.startsWith('x-')),
        made.fields,
      );
      assert.deepEqual(
        seen?.trailers,
        made.trailers.filter(([name]) => !name.startsWith('x-envoy-')),
      );
    }),
    { numRuns: 150 },
  );
});

test('CONNECT takes an authority only: a path would find a route and go on as a request', async () => {
  for (const target of ['/x', 'http://a/', '/', '//a:443']) {
    const { errors, requests } = await feedServer(
      Buffer.from(`CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 'latin1'),
      [],
      false,
    );
    assert.deepEqual([errors[0]?.status, requests.length], [400, 0], target);
  }
});
