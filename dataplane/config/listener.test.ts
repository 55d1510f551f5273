import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ListenerConfig } from '../api/config/listener.ts';

const TCP =
  '{name: tcp, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}';
const INSPECTOR =
  '{name: i, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}';
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
      address: { ip: '::1', port: 80 },
      statPrefix: '[__1]_80',
      trafficDirection: 'UNSPECIFIED',
      listenerFilters: [],
      listenerFiltersTimeoutMs: 15_000,
      continueOnListenerFiltersTimeout: false,
      defaultFilterChain: null,
      perConnectionBufferLimitBytes: 1_048_576,
      tcpBacklogSize: 128,
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
        'filter_chains[1].filter_chain_match: has the same matching rules as filter_chains[0].filter_chain_match',
      ],
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
        ', use_original_dst: true, socket_options: [{level: 1, name: 2, int_value: 3}]',
      ),
      ['socket_options: not supported yet', 'use_original_dst: not supported yet (true)'],
    ],
    [
      'a network filter that only Envoy has',
      withChains(
        '{filters: [{name: e, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]}',
      ),
      [
        'filter_chains[0].filters[0].typed_config: not supported yet (envoy.extensions.filters.network.echo.v3.Echo)',
      ],
    ],
  ];
  for (const [what, text, expected] of bad) {
    it(`refuses ${what}`, () => assert.deepEqual(errors(text), expected));
  }
});
