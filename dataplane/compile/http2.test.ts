import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { networkFilterData, networkFilterErrors } from '../../test/fakes/config.ts';
import type { HcmConfig } from '../api/config/hcm.ts';
import { defaultHttp2 } from '../api/config/http2.ts';

const TYPE = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const hcm = (options: string): string =>
  `stat_prefix: s, max_request_headers_kb: 64, route_config: {}, http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}], http2_protocol_options: {${options}}`;

// That type's data.
const compiled = (options: string) => (networkFilterData(TYPE, hcm(options)) as HcmConfig).http2;
const errors = (options: string) => networkFilterErrors(TYPE, hcm(options));
const custom = (...settings: readonly (readonly [number, number])[]): string =>
  `custom_settings_parameters: [${settings.map(([id, value]) => `{identifier: ${id}, value: ${value}}`).join(', ')}]`;

describe('HTTP/2 options', () => {
  it("are Envoy's when nothing is set", () => assert.deepEqual(compiled(''), defaultHttp2));

  it('are taken whole', () => {
    const options = [
      'hpack_table_size: 0, max_concurrent_streams: 7, initial_stream_window_size: 65535',
      'initial_connection_window_size: 65536, allow_connect: true, max_outbound_frames: 11',
      'max_outbound_control_frames: 12, max_consecutive_inbound_frames_with_empty_payload: 0',
      'max_inbound_priority_frames_per_stream: 0, enable_huffman_encoding: true',
      'max_inbound_window_update_frames_per_data_frame_sent: 3, use_oghttp2_codec: false',
      'connection_keepalive: {interval: 2s, timeout: 0.5s, interval_jitter: {value: 0}, connection_idle_interval: 9s}',
      custom([0x99, 4_294_967_295], [0x6, 100], [0x2, 0]),
      'stream_reset_burst: 5, stream_reset_rate: 0, max_header_field_size_kb: 64',
    ];
    assert.deepEqual(compiled(options.join(', ')), {
      hpackTableSize: 0,
      maxConcurrentStreams: 7,
      initialStreamWindowSize: 65_535,
      initialConnectionWindowSize: 65_536,
      allowConnect: true,
      maxOutboundFrames: 11,
      maxOutboundControlFrames: 12,
      maxConsecutiveInboundFramesWithEmptyPayload: 0,
      maxInboundPriorityFramesPerStream: 0,
      maxInboundWindowUpdateFramesPerDataFrameSent: 3,
      streamResetBurst: 5,
      streamResetRate: 0,
      streamErrorOnInvalidHttpMessage: false,
      customSettings: [
        [0x99, 4_294_967_295],
        [0x6, 100],
      ],
      keepalive: {
        intervalMs: 2_000,
        timeoutMs: 500,
        intervalJitterPercent: 0,
        idleIntervalMs: 9_000,
      },
      huffman: true,
    });
  });

  it('keepalive has a jitter of 15 percent', () => {
    assert.deepEqual(compiled('connection_keepalive: {timeout: 1s}').keepalive, {
      intervalMs: 0,
      timeoutMs: 1_000,
      intervalJitterPercent: 15,
      idleIntervalMs: 0,
    });
  });

  it('a custom setting that the codec knows is what the codec acts by', () => {
    const data = compiled(custom([1, 100], [3, 5], [4, 1000]));
    assert.equal(data.hpackTableSize, 100);
    assert.equal(data.maxConcurrentStreams, 5);
    assert.equal(data.initialStreamWindowSize, 1000);
    assert.deepEqual(data.customSettings, []);
  });

  it('the same custom setting twice is one', () => {
    assert.deepEqual(compiled(custom([0x99, 1], [0x99, 1])).customSettings, [[0x99, 1]]);
  });

  const at = 'http2_protocol_options';
  const list = `${at}.custom_settings_parameters`;
  const bad: readonly (readonly [string, string, readonly string[]])[] = [
    [
      'server push',
      custom([2, 1]),
      [
        `${list}[0]: server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.`,
      ],
    ],
    [
      'allow_connect as a number',
      custom([8, 1]),
      [
        `${list}[0]: the "allow_connect" SETTINGS parameter must only be configured through the named field`,
      ],
    ],
    [
      'custom settings that contradict each other',
      custom([0x99, 1], [0x99, 2], [0xaa, 1], [0xaa, 3]),
      [
        `${list}: inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {0x99,0xaa}`,
      ],
    ],
    [
      'settings that are named and custom',
      `hpack_table_size: 1, max_concurrent_streams: 1, initial_stream_window_size: 65535, ${custom([1, 1], [3, 1], [4, 65_535])}`,
      [
        `${list}: the {hpack_table_size,max_concurrent_streams,initial_stream_window_size} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters`,
      ],
    ],
    [
      'settings that no codec could keep',
      custom([3, 0], [4, 2_147_483_648], [5, 16_384]),
      [
        `${list}[0]: no stream would ever be allowed`,
        `${list}[1]: a window is at most 2147483647 bytes`,
        `${list}[2]: not supported yet (SETTINGS_MAX_FRAME_SIZE)`,
      ],
    ],
    [
      'a field size out of its range',
      'max_header_field_size_kb: 63',
      [`${at}.max_header_field_size_kb: must be in 64 .. 256`],
    ],
    [
      'a field size above that of all headers',
      'max_header_field_size_kb: 65',
      [`${at}.max_header_field_size_kb: must not exceed max_request_headers_kb`],
    ],
    ['METADATA frames', 'allow_metadata: true', [`${at}.allow_metadata: not supported yet (true)`]],
    [
      'what the codec does not look at',
      'disallow_obs_text: true',
      [`${at}.disallow_obs_text: not supported yet (true)`],
    ],
  ];
  for (const [what, options, expected] of bad) {
    it(`refuses ${what}`, () => assert.deepEqual(errors(options).sort(), [...expected].sort()));
  }
});
