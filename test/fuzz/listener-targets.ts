// Fuzz targets of the parsers that listener filters peek with. A parser that is shown ever more of the same bytes must
// decide once: after the first prefix that it does not want more of, every longer one gets the same answer.

import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { guessHttp } from '../../dataplane/extensions/listener/http-inspector/request-line.ts';
import {
  MAX_PROXY_HEADER_BYTES,
  parseProxyHeader,
} from '../../dataplane/extensions/listener/proxy-protocol/header.ts';
import { parseClientHello } from '../../dataplane/extensions/listener/tls-inspector/client-hello.ts';
import { mutateBytes } from './mutate-bytes.ts';
import { mutateHttp1 } from './mutate-http1.ts';
import type { FuzzTarget } from './target.ts';

/** Shorter inputs are shown at every length. */
const STEPWISE_BYTES = 2000;
const STEPS = 50;

/** `parse` gives text, and 'need-more' as long as it has not decided. */
function decidesOnce(input: Buffer, parse: (shown: Buffer) => string): void {
  let decided = '';
  let decidedAt = 0;
  const step = input.length <= STEPWISE_BYTES ? 1 : Math.ceil(input.length / STEPS);
  for (let length = 1; length <= input.length; length += step) {
    const outcome = parse(input.subarray(0, length));
    if (decided === '') {
      if (outcome === 'need-more') continue;
      decided = outcome;
      decidedAt = length;
    }
    assert.equal(outcome, decided, `shown ${length} bytes otherwise than with ${decidedAt}`);
  }
}

export const clientHello: FuzzTarget = {
  name: 'client-hello',
  mutate: mutateBytes,
  check(input) {
    decidesOnce(input, (shown) => {
      const outcome = parseClientHello(shown);
      return outcome.kind === 'need-more' ? outcome.kind : JSON.stringify(outcome);
    });
  },
};

export const proxyProtocol: FuzzTarget = {
  name: 'proxy-protocol',
  mutate(input, other, random) {
    // Version 1 is text, and is mutated as text half of the time.
    const isText = input.subarray(0, 5).toString('latin1') === 'PROXY';
    return isText && random.oneIn(2)
      ? mutateHttp1(input, other, random)
      : mutateBytes(input, other, random);
  },
  check(input) {
    decidesOnce(input, (shown) => {
      const outcome = parseProxyHeader(shown);
      if (outcome.kind === 'need-more') {
        assert.ok(shown.length < MAX_PROXY_HEADER_BYTES, 'wants more than the longest header');
      }
      if (outcome.kind !== 'header')
        return outcome.kind === 'need-more' ? 'need-more' : JSON.stringify(outcome);
      assert.ok(outcome.length <= shown.length, 'takes bytes that are not there');
      for (const { ip, port } of Object.values(outcome.addresses ?? {})) {
        assert.ok(isIPv4(ip) || isIPv6(ip), `address ${ip}`);
        assert.ok(Number.isInteger(port) && port >= 0 && port <= 0xffff, `port ${port}`);
      }
      return JSON.stringify(outcome);
    });
  },
};

export const httpInspector: FuzzTarget = {
  name: 'http-inspector',
  mutate: mutateHttp1,
  check(input) {
    decidesOnce(input, guessHttp);
  },
};
