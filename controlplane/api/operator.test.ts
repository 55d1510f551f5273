import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isLoopbackAddress, operatorDenial } from './operator.ts';

const peer = (address: string, authorization?: string) => ({ address, authorization });

describe('an operator over gRPC', () => {
  it('has the API token where one is set, wherever it comes from', () => {
    assert.equal(operatorDenial(peer('10.0.0.1:5', 'Bearer secret'), 'secret'), null);
    for (const authorization of [undefined, '', 'Bearer secretx', 'Bearer remora1.a.b', 'secret']) {
      assert.match(
        operatorDenial(peer('127.0.0.1:5', authorization), 'secret') ?? '',
        /for operators only: send metadata/,
      );
    }
  });

  it('is on this machine where none is set', () => {
    for (const address of ['127.0.0.1:5', '127.1.2.3:5', '[::1]:5', '::ffff:127.0.0.1:5']) {
      assert.equal(operatorDenial(peer(address), null), null, address);
    }
    for (const address of ['10.0.0.1:5', '[2001:db8::1]:5', 'unknown', '', '127.0.0.1.evil:5']) {
      assert.match(
        operatorDenial(peer(address, 'Bearer x'), null) ?? '',
        /on this machine/,
        address,
      );
    }
  });

  it('knows loopback addresses', () => {
    assert.ok(isLoopbackAddress('::1'));
    assert.ok(!isLoopbackAddress('::2'));
    assert.ok(!isLoopbackAddress('128.0.0.1'));
  });
});
