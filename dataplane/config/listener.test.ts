import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ListenerConfig } from '../api/config/listener.ts';

const TCP =
  '{name: tcp, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}';
const INSPECTOR =
  '{name: i, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}';
const PROXY =
  '{name: p, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}}';
const ORIGINAL_DST =
  '{name: o, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst}}';
const ADDRESS = 'address: {socket_address: {address: "::1", port_value: 80}}';

const withChains = (chains: string, more = ''): string =>
  `{name: l, ${ADDRESS}, filter_chains: [${chains}]${more}}`;
const chain = (match: string): string => `{filter_chain_match: {${match}}, filters: [${TCP}]}`;

// The kind says what the compiler makes.
const compiled = (text: string) => compiledData('listener', text) as ListenerConfig;
const errors = (text: string) => resourceErrors('listener', text);

describe('compileListener', () => {
  it("fills in Envoy's defaults", () => {
    const { filterChains, hash, ...rest } = compiled(withChains(`{filters: [${TCP}]}`));
    assert.match(hash, /^[0-9a-f]{32}$/);
    assert.deepEqual(rest, {
      name: 'l',
      address: { ip: '::1', port: 80, mode: 0, ipv4Compat: false, keepaliveS: null },
      additionalAddresses: [],
      bindToPort: true,
      enableReusePort: true,
      useOriginalDst: false,
      connectionLimit: null,
      ignoreGlobalConnLimit: false,
      statPrefix: '[__1]_80',
      trafficDirection: 'UNSPECIFIED',
      listenerFilters: [],
      listenerFiltersTimeoutMs: 15_000,
      continueOnListenerFiltersTimeout: false,
      defaultFilterChain: null,
      perConnectionBufferLimitBytes: 1_048_576,
      tcpBacklogSize: 65_535,
      drainType: 'DEFAULT',
      accessLogs: [],
    });
    assert.deepEqual(filterChains[0]?.match, {
      destinationPort: 0,
      prefixRanges: [],
      serverNames: [],
      transportProtocol: '',
      applicationProtocols: [],
      directSourcePrefixRanges: [],
      sourceType: 'ANY',
      sourcePrefixRanges: [],
      sourcePorts: [],
    });
  });

  it('brings the TLS inspector along where chains match on SNI or ALPN, once', () => {
    const names = (text: string) =>
      compiled(text).listenerFilters.map(({ extension }) => extension);
    const inspector = ['envoy.filters.listener.tls_inspector'];
    assert.deepEqual(names(withChains(chain('server_names: [a.com]'))), inspector);
    assert.deepEqual(
      names(withChains(chain('transport_protocol: tls'), `, listener_filters: [${INSPECTOR}]`)),
      inspector,
    );
    assert.deepEqual(
      names(withChains(chain('transport_protocol: raw_buffer, application_protocols: [h2]'))),
      [],
    );
    assert.deepEqual(names(withChains(chain('destination_port: 80'))), []);
  });

  it('lower-cases server names and writes ranges as CIDR', () => {
    const { match } = compiled(
      withChains(
        chain(
          'server_names: [A.com, "*.B.com"], source_prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]',
        ),
      ),
    ).filterChains[0]!;
    assert.deepEqual(match.serverNames, ['a.com', '*.b.com']);
    assert.deepEqual(match.sourcePrefixRanges, ['10.0.0.0/8']);
  });

  const bad: readonly (readonly [string, string, readonly string[]])[] = [
    [
      'a listener without chains',
      `{name: l, ${ADDRESS}}`,
      ['filter_chains: no filter chains specified'],
    ],
    [
      'a listener without address',
      `{name: l, filter_chains: [{filters: [${TCP}]}]}`,
      ['address: is required'],
    ],
    [
      'two chains that match the same',
      withChains(`${chain('server_names: [a.com, b.com]')}, ${chain('server_names: [B.com]')}`),
      [
        "filter_chains[1].filter_chain_match: multiple filter chains with overlapping matching rules are defined: this and 'filter_chains[0]'",
      ],
    ],
    [
      'two chains that match the same range, written differently',
      withChains(
        `${chain('source_prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]')}, ${chain('source_prefix_ranges: [{address_prefix: 10.1.0.0, prefix_len: 8}]')}`,
      ),
      [
        "filter_chains[1].filter_chain_match: multiple filter chains with overlapping matching rules are defined: this and 'filter_chains[0]'",
      ],
    ],
    [
      'two chains with equal conditions',
      withChains(
        `{name: foo, filters: [${TCP}]}, {name: bar, filters: [${TCP}]}, {name: baz, filter_chain_match: {}, filters: [${TCP}]}`,
      ),
      [
        "filter_chains[1].filter_chain_match: filter chain 'bar' has the same matching rules defined as 'foo'",
        "filter_chains[2].filter_chain_match: filter chain 'baz' has the same matching rules defined as 'foo'",
      ],
    ],
    [
      'more combinations than can be meant',
      withChains(
        chain(
          `source_ports: [${Array.from({ length: 400 }, (_, i) => i + 1)}], server_names: [${Array.from({ length: 400 }, (_, i) => `s${i}.test`)}]`,
        ),
      ),
      ['filter_chains[0].filter_chain_match: more than 100000 combinations in one listener'],
    ],
    [
      'partial wildcards',
      withChains(chain('server_names: ["w*.a.com", "*"]')),
      [
        "filter_chains[0].filter_chain_match.server_names[0]: partial wildcards are not supported in server_names: 'w*.a.com'",
        "filter_chains[0].filter_chain_match.server_names[1]: partial wildcards are not supported in server_names: '*'",
      ],
    ],
    [
      'a filter behind the terminal one',
      withChains(`{filters: [${TCP}, ${TCP}]}`),
      [
        'filter_chains[0].filters[0]: terminal filter named tcp of type envoy.filters.network.tcp_proxy must be the last filter',
      ],
    ],
    [
      'a malformed range',
      withChains(
        chain(
          'source_prefix_ranges: [{address_prefix: 10.0.0, prefix_len: 8}], prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 33}]',
        ),
      ),
      [
        'filter_chains[0].filter_chain_match.prefix_ranges[0].prefix_len: must be <= 32',
        'filter_chains[0].filter_chain_match.source_prefix_ranges[0].address_prefix: malformed IP address: 10.0.0',
      ],
    ],
    [
      'what is not built yet',
      withChains(
        `{filters: [${TCP}]}`,
        ', use_original_dst: true, transparent: true, freebind: true, tcp_fast_open_queue_length: 3',
      ),
      [
        'transparent: not supported yet (true)',
        'freebind: not supported yet (true)',
        'tcp_fast_open_queue_length: not supported yet',
        'use_original_dst: not supported without a proxy_protocol listener filter before it: Node has no SO_ORIGINAL_DST',
      ],
    ],
    [
      'original_dst without, or before, proxy_protocol',
      withChains(`{filters: [${TCP}]}`, `, listener_filters: [${ORIGINAL_DST}, ${PROXY}]`),
      [
        'listener_filters[0]: not supported without a proxy_protocol listener filter before it: Node has no SO_ORIGINAL_DST',
      ],
    ],
    [
      'original_src',
      withChains(
        `{filters: [${TCP}]}`,
        ', listener_filters: [{name: s, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.original_src.v3.OriginalSrc}}]',
      ),
      [
        'listener_filters[0].typed_config: not supported yet (envoy.extensions.filters.listener.original_src.v3.OriginalSrc)',
      ],
    ],
    [
      'socket options that Node cannot set, by their numbers',
      withChains(
        `{filters: [${TCP}]}`,
        ', socket_options: [{level: 1, name: 9, int_value: 1}, {level: 1, name: 8, int_value: 65536}, {level: 6, name: 23, int_value: 5}]',
      ),
      [
        'socket_options[1]: not supported: Node cannot set level 1, name 8',
        'socket_options[2]: not supported: Node cannot set level 6, name 23',
      ],
    ],
    [
      'one address twice',
      withChains(
        `{filters: [${TCP}]}`,
        `, additional_addresses: [{${ADDRESS}}, {address: {socket_address: {address: 1.2.3.4, port_value: 80, ipv4_compat: true}}}]`,
      ),
      [
        'additional_addresses[0].address: is an address that this listener has already',
        'additional_addresses[1].address.socket_address.ipv4_compat: is for IPv6 addresses only',
      ],
    ],
    [
      'Unix sockets that cannot be',
      `{name: l, address: {pipe: {path: relative}}, additional_addresses: [{address: {pipe: {path: "@x", mode: 384}}}], filter_chains: [{filters: [${TCP}]}]}`,
      [
        'address.pipe.path: must be absolute, or begin with @ (abstract)',
        'additional_addresses[0].address.pipe.mode: cannot be set for abstract sockets',
      ],
    ],
    [
      'a PROXY header of no version',
      withChains(
        `{filters: [${TCP}]}`,
        ', listener_filters: [{name: p, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol, disallowed_versions: [V1, V2], tlv_location: FILTER_STATE}}]',
      ),
      [
        'listener_filters[0].typed_config.tlv_location: not supported yet (FILTER_STATE)',
        'listener_filters[0].typed_config.disallowed_versions: all proxy protocol versions are disallowed',
      ],
    ],
    [
      'a TLS inspector that reads too little, or tells fingerprints',
      withChains(
        `{filters: [${TCP}]}`,
        ', listener_filters: [{name: p, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector, max_client_hello_size: 255, enable_ja3_fingerprinting: true, enable_ja4_fingerprinting: true}}]',
      ),
      [
        'listener_filters[0].typed_config.enable_ja3_fingerprinting: not supported yet (true)',
        'listener_filters[0].typed_config.enable_ja4_fingerprinting: not supported yet (true)',
        'listener_filters[0].typed_config.max_client_hello_size: value must be inside range (255, 16384]',
      ],
    ],
    [
      'a network filter that only Envoy has',
      withChains(
        '{filters: [{name: e, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy, stat_prefix: z}}]}',
      ),
      [
        'filter_chains[0].filters[0].typed_config: not supported yet (envoy.extensions.filters.network.zookeeper_proxy.v3.ZooKeeperProxy)',
      ],
    ],
  ];
  for (const [what, text, expected] of bad) {
    it(`refuses ${what}`, () => assert.deepEqual(errors(text), expected));
  }
});
