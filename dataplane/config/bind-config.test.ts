// upstream_bind_config and the PROXY transport socket of clusters.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';

const withBind = (bind: string): string => `{name: c, upstream_bind_config: {${bind}}}`;
const withProxy = (fields: string): string =>
  `{name: c, transport_socket: {name: p, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, ${fields}}}}`;
const RAW =
  'transport_socket: {name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}';
// That kind.
const compiled = (text: string) => compiledData('cluster', text) as ClusterConfig;
const errors = (text: string) => resourceErrors('cluster', text);

describe('upstream_bind_config', () => {
  it('has an address per family, and keep-alive by socket option', () => {
    const { bind } = compiled(
      withBind(
        'source_address: {address: 10.0.0.1, port_value: 0}, extra_source_addresses: [{address: {address: "fd00::1", port_value: 0}}], socket_options: [{level: 1, name: 9, int_value: 1}, {level: 6, name: 4, int_value: 30}]',
      ),
    );
    assert.deepEqual(bind, { addresses: ['10.0.0.1', 'fd00::1'], keepaliveS: 30 });
  });

  it('refuses what Envoy refuses, and what Node cannot do', () => {
    const path = 'upstream_bind_config';
    assert.deepEqual(
      errors(
        withBind(
          'source_address: {address: 10.0.0.1, port_value: 5}, additional_source_addresses: [{address: 10.0.0.2, port_value: 0}], socket_options: [{level: 0, name: 1, int_value: 1}]',
        ),
      ),
      [
        `${path}.socket_options[0]: not supported: Node cannot set level 0, name 1`,
        `${path}.source_address.port_value: not supported yet (only port 0)`,
        `${path}.additional_source_addresses[0]: only two source addresses of different IP versions are supported`,
      ],
    );
    assert.deepEqual(
      errors(withBind('additional_source_addresses: [{address: x, port_value: 0}]')),
      [
        `${path}.additional_source_addresses[0].address: malformed IP address 'x'`,
        `${path}.source_address: is required with further source addresses`,
      ],
    );
  });
});

describe('upstream_proxy_protocol', () => {
  it('wraps a transport socket', () => {
    const { proxyProtocol, proxyTlvAsPoolKey, tls } = compiled(
      withProxy(
        `config: {version: V2, pass_through_tlvs: {match_type: INCLUDE, tlv_type: [1, 2]}, added_tlvs: [{type: 241, value: "aGk="}]}, tlv_as_pool_key: true, ${RAW}`,
      ),
    );
    assert.deepEqual(proxyProtocol, {
      version: 2,
      passThroughTlvs: [1, 2],
      addedTlvs: [{ type: 241, value: Uint8Array.from(Buffer.from('hi')) }],
    });
    assert.equal(proxyTlvAsPoolKey, true);
    assert.equal(tls, null);
  });

  it('refuses itself inside itself, unknown forms and TLV types above 255', () => {
    const at = 'transport_socket.typed_config';
    assert.deepEqual(
      errors(
        withProxy(
          `config: {added_tlvs: [{type: 256, value: ""}, {type: 1, format_string: {text_format_source: {inline_string: x}}}]}, allow_unspecified_address: true, transport_socket: {name: p, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, ${RAW}}}`,
        ),
      ).sort(),
      [
        `${at}.allow_unspecified_address: not supported yet (true)`,
        `${at}.config.added_tlvs[0].type: must be < 256`,
        `${at}.config.added_tlvs[1].format_string: not supported yet`,
        `${at}.transport_socket: must not be another upstream_proxy_protocol`,
      ],
    );
  });
});
