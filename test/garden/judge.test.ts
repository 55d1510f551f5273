// What the garden calls the same, a refusal and a difference; and the strict parser that it starts from.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { echoOf, SENTINEL, SENTINEL_ECHO } from './echo.ts';
import { judge, type Verdict } from './judge.ts';
import { parseStream } from './strict-parser.ts';

const one = echoOf('POST', '/one', Buffer.from('hello'));
const two = echoOf('GET', '/two', Buffer.alloc(0));

/** Strings are echoes, numbers are answers of the server's own. */
function kindOf(
  seen: readonly (string | number)[],
  closed = true,
  isWhole = true,
): Verdict['kind'] {
  const answers = seen.map((answer) =>
    typeof answer === 'string' ? { status: 200, echo: answer } : { status: answer, echo: null },
  );
  return judge([one, two], isWhole, { answers, closed, localPort: 0 }).kind;
}

test('all requests and the sentinel are the same', () => {
  assert.equal(kindOf([one, two, SENTINEL_ECHO]), 'same');
});

test('a refusal may take the place of a request, and end the connection', () => {
  assert.equal(kindOf([400]), 'refused');
  assert.equal(kindOf([one, 405, SENTINEL_ECHO]), 'refused');
  assert.equal(kindOf([one]), 'refused');
});

test('a request more, another one, and waiting for more are differences', () => {
  assert.equal(kindOf([one, two, SENTINEL_ECHO, SENTINEL_ECHO]), 'different');
  assert.equal(kindOf([one, two, SENTINEL_ECHO, 400]), 'different');
  assert.equal(kindOf([one, SENTINEL_ECHO]), 'different');
  assert.equal(kindOf([echoOf('POST', '/one', Buffer.from('hell')), two]), 'different');
  assert.equal(kindOf([one, two], false), 'different');
});

test('behind a request that was cut short a refusal is allowed, an answer is not', () => {
  assert.equal(kindOf([one, two], true, false), 'same');
  assert.equal(kindOf([one, two, 400], true, false), 'refused');
  assert.equal(kindOf([one, two, 417, 400], true, false), 'refused');
  assert.equal(kindOf([one, two, two], true, false), 'different');
});

test('a path that was tidied up is the same path', () => {
  const echo = (target: string) => echoOf('GET', target, Buffer.alloc(0));
  const verdict = (seen: string) =>
    judge([echo('/a/../b//c%2f?x=/../y')], false, {
      answers: [{ status: 200, echo: echo(seen) }],
      closed: true,
      localPort: 0,
    }).kind;
  assert.equal(verdict('/b/c/?x=/../y'), 'same');
  assert.equal(verdict('/b/d/?x=/../y'), 'different');
});

test('the strict parser takes what a proxy may emit, and nothing else', () => {
  const of = (text: string) => parseStream(Buffer.from(text, 'latin1'));
  const good = of(
    `POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhiPUT /b HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\n${SENTINEL}`,
  );
  assert.equal(good.rest, 'nothing');
  assert.deepEqual(
    good.requests.map(({ method, target, body }) => [method, target, body.toString()]),
    [
      ['POST', '/a', 'hi'],
      ['PUT', '/b', '0123456789'],
      ['GET', '/~sentinel', ''],
    ],
  );
  assert.deepEqual(good.requests[1]?.trailers, [['x-t', '1']]);
  for (const text of [
    'GET / HTTP/1.1\nhost: a\n\n\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    'GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n',
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 01\r\n\r\nx',
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n',
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n05\r\nhello\r\n0\r\n\r\n',
    'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\n\r\n',
    'GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n',
    'GET / HTTP/1.1\r\nhost: a\r\n x: y\r\n\r\n',
  ]) {
    assert.equal(of(text).rest, 'malformed', text);
  }
  assert.equal(of('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nhi').rest, 'incomplete');
});
