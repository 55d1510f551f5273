import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { UpstreamProxyProtocolConfig } from '../api/config/proxy-protocol.ts';
import type { ProxyProtocolInfo } from '../api/connection.ts';
import { encodeProxyHeader, proxyHeaderKey } from './proxy-header.ts';

const v1: UpstreamProxyProtocolConfig = { version: 1, passThroughTlvs: [], addedTlvs: [] };
const v2: UpstreamProxyProtocolConfig = { version: 2, passThroughTlvs: 'all', addedTlvs: [] };
const own = { local: { ip: '10.0.0.1', port: 1000 }, remote: { ip: '10.0.0.2', port: 80 } };
const info = (
  remote: string,
  local: string,
  tlvs: ProxyProtocolInfo['tlvs'] = [],
): ProxyProtocolInfo => ({
  remoteAddress: { ip: remote, port: 1 },
  localAddress: { ip: local, port: 2 },
  tlvs,
});
const text = (config: UpstreamProxyProtocolConfig, downstream: ProxyProtocolInfo | null) =>
  encodeProxyHeader(config, downstream, own)?.toString('latin1');
const hex = (config: UpstreamProxyProtocolConfig, downstream: ProxyProtocolInfo | null) =>
  encodeProxyHeader(config, downstream, own)?.subarray(12).toString('hex');

describe('encodeProxyHeader', () => {
  it('names the connection itself where there is nobody to name', () => {
    assert.equal(text(v1, null), 'PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n');
    assert.equal(hex(v2, null), '20000000');
  });

  it('says UNKNOWN or LOCAL for a Unix socket', () => {
    const downstream = info('/run/x.sock', '/run/x.sock');
    assert.equal(text(v1, downstream), 'PROXY UNKNOWN\r\n');
    assert.equal(hex(v2, downstream), '20000000');
  });

  it('writes two families as IPv6 in version 2, which version 1 cannot', () => {
    const downstream = info('1.2.3.4', 'fd00::1');
    assert.equal(text(v1, downstream), 'PROXY UNKNOWN\r\n');
    assert.equal(
      hex(v2, downstream),
      '21210024' +
        '00000000000000000000ffff01020304' +
        'fd000000000000000000000000000001' +
        '00010002',
    );
  });

  it('gives nothing when the TLVs do not fit', () => {
    const tlv = (bytes: number) => [{ type: 1, value: new Uint8Array(bytes) }];
    const most = 65_535 - 12 - 3;
    assert.equal(
      encodeProxyHeader(v2, info('1.2.3.4', '1.2.3.5', tlv(most)), own)?.length,
      16 + 65_535,
    );
    assert.equal(encodeProxyHeader(v2, info('1.2.3.4', '1.2.3.5', tlv(most + 1)), own), null);
  });

  it('tells apart by TLVs only where asked to', () => {
    const plain = info('1.2.3.4', '1.2.3.5');
    const tagged = info('1.2.3.4', '1.2.3.5', [{ type: 2, value: Uint8Array.of(1) }]);
    assert.equal(proxyHeaderKey(plain, false), proxyHeaderKey(tagged, false));
    assert.notEqual(proxyHeaderKey(plain, true), proxyHeaderKey(tagged, true));
  });
});
