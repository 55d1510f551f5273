// The cases in which Envoy agrees are in test/interop/listeners.test.ts; here is what must hold of any bytes.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_PROXY_HEADER_BYTES, parseProxyHeader } from './header.ts';

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const v1 = Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 4096 8192\r\n');
const v2 = Buffer.concat([
  signature,
  Buffer.from('21110013', 'hex'),
  Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0, 0x20, 0]),
  Buffer.from([2, 0, 4]),
  Buffer.from('text'),
]);
const addresses = {
  source: { ip: '1.2.3.4', port: 4096 },
  destination: { ip: '5.6.7.8', port: 8192 },
};

describe('parseProxyHeader', () => {
  it('reads both versions and leaves what follows', () => {
    const behind = Buffer.from('GET /');
    assert.deepEqual(parseProxyHeader(Buffer.concat([v1, behind])), {
      kind: 'header',
      version: 1,
      length: v1.length,
      addresses,
      tlvs: [],
    });
    assert.deepEqual(parseProxyHeader(Buffer.concat([v2, behind])), {
      kind: 'header',
      version: 2,
      length: v2.length,
      addresses,
      tlvs: [{ type: 2, value: Uint8Array.from(Buffer.from('text')) }],
    });
  });

  it('waits at every cut', () => {
    for (const header of [v1, v2]) {
      for (let cut = 1; cut < header.length; cut++) {
        assert.deepEqual(
          parseProxyHeader(header.subarray(0, cut)),
          { kind: 'need-more' },
          `${cut}`,
        );
      }
    }
  });

  it('writes IPv6 addresses in their short form', () => {
    const body = (hex: string) => Buffer.from(`${hex}${'0'.repeat(31)}100010002`, 'hex');
    const source = (hex: string) => {
      const head = Buffer.concat([signature, Buffer.from('21210024', 'hex')]);
      const outcome = parseProxyHeader(Buffer.concat([head, body(hex)]));
      return outcome.kind === 'header' ? outcome.addresses?.source.ip : outcome.kind;
    };
    assert.equal(source('20010db8000000000000000000000001'), '2001:db8::1');
    assert.equal(source('20010db8000000010000000000000001'), '2001:db8:0:1::1');
    assert.equal(source('20010db8000100020003000400050006'), '2001:db8:1:2:3:4:5:6');
    assert.equal(source('00000000000000000000000000000001'), '::1');
    assert.equal(source('fd000000000000000000000000000000'), 'fd00::');
  });

  it('ends with any bytes: at most one line of version 1, at most the stated length of version 2', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          Buffer.from('PROXY '),
          Buffer.from('PROXY TCP4 '),
          signature,
          Buffer.alloc(0),
        ),
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        (prefix, rest) => {
          const data = Buffer.concat([prefix, rest]);
          const outcome = parseProxyHeader(data);
          if (outcome.kind === 'header') assert.ok(outcome.length <= data.length);
          if (outcome.kind !== 'need-more') return;
          const isV2 = prefix === signature;
          assert.ok(isV2 || data.length < 107, 'a line of version 1 ends');
          const padded = Buffer.concat([data, Buffer.alloc(MAX_PROXY_HEADER_BYTES)]);
          assert.notEqual(parseProxyHeader(padded).kind, 'need-more');
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('says the same of a header whatever bytes follow', () => {
    fc.assert(
      fc.property(fc.constantFrom(v1, v2), fc.uint8Array({ maxLength: 50 }), (header, rest) => {
        const whole = parseProxyHeader(Buffer.concat([header, rest]));
        assert.deepEqual(whole, parseProxyHeader(header));
      }),
    );
  });
});
