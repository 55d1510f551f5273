// core.v3.Http2ProtocolOptions, which means the same for listeners and clusters -> Http2Data. Called by the HTTP
// connection manager's config half and config/upstream-http.ts.

import { joinPath } from '../../common/result.ts';
import type { Http2ProtocolOptionsProto, KeepaliveSettingsProto } from '../../proto/gen/types.ts';
import type { Wrapper } from '../../proto/plain.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import { defaultHttp2, type Http2Data, type KeepaliveData } from '../api/config/http2.ts';
import type { Compilation } from './compilation.ts';

/** RFC 9113 6.5.2, RFC 8441 3. */
const Setting = {
  HeaderTableSize: 1,
  EnablePush: 2,
  MaxConcurrentStreams: 3,
  InitialWindowSize: 4,
  MaxFrameSize: 5,
  EnableConnectProtocol: 8,
} as const;

const MAX_WINDOW = 2 ** 31 - 1;
const DEFAULT_JITTER_PERCENT = 15;

/**
 * `path` is where the options stand. `streamError` = what the connection manager says
 * (stream_error_on_invalid_http_message); the options' override goes before it, the options' deprecated field behind.
 */
export function compileHttp2Options(
  options: Http2ProtocolOptionsProto | undefined,
  path: string,
  compilation: Compilation,
  streamError?: boolean,
): Http2Data {
  const given = options ?? {};
  checkFieldSize(given.max_header_field_size_kb, path, compilation);
  const custom = compileCustomSettings(given, path, compilation);
  const named = (id: number, otherwise: number): number => custom.get(id) ?? otherwise;
  const of = defaultHttp2;
  return {
    hpackTableSize: wrapperOr(
      given.hpack_table_size,
      named(Setting.HeaderTableSize, of.hpackTableSize),
    ),
    maxConcurrentStreams: wrapperOr(
      given.max_concurrent_streams,
      named(Setting.MaxConcurrentStreams, of.maxConcurrentStreams),
    ),
    initialStreamWindowSize: wrapperOr(
      given.initial_stream_window_size,
      named(Setting.InitialWindowSize, of.initialStreamWindowSize),
    ),
    initialConnectionWindowSize: wrapperOr(
      given.initial_connection_window_size,
      of.initialConnectionWindowSize,
    ),
    allowConnect: given.allow_connect ?? of.allowConnect,
    maxOutboundFrames: wrapperOr(given.max_outbound_frames, of.maxOutboundFrames),
    maxOutboundControlFrames: wrapperOr(
      given.max_outbound_control_frames,
      of.maxOutboundControlFrames,
    ),
    maxConsecutiveInboundFramesWithEmptyPayload: wrapperOr(
      given.max_consecutive_inbound_frames_with_empty_payload,
      of.maxConsecutiveInboundFramesWithEmptyPayload,
    ),
    maxInboundPriorityFramesPerStream: wrapperOr(
      given.max_inbound_priority_frames_per_stream,
      of.maxInboundPriorityFramesPerStream,
    ),
    maxInboundWindowUpdateFramesPerDataFrameSent: wrapperOr(
      given.max_inbound_window_update_frames_per_data_frame_sent,
      of.maxInboundWindowUpdateFramesPerDataFrameSent,
    ),
    streamResetBurst: compileCount(given.stream_reset_burst, of.streamResetBurst),
    streamResetRate: compileCount(given.stream_reset_rate, of.streamResetRate),
    streamErrorOnInvalidHttpMessage: wrapperOr(
      given.override_stream_error_on_invalid_http_message,
      streamError ?? given.stream_error_on_invalid_http_messaging ?? false,
    ),
    customSettings: [...custom].filter(([id]) => !isCodecs(id)),
    keepalive: compileKeepalive(given.connection_keepalive),
    huffman: wrapperOr(given.enable_huffman_encoding, of.huffman),
  };
}

/** 64 bits, of which a number holds 53: enough for frames. */
function compileCount(wrapper: Wrapper<number | string> | undefined, otherwise: number): number {
  return Math.min(Number(wrapperOr(wrapper, otherwise)), Number.MAX_SAFE_INTEGER);
}

/** Our codec has no limit of its own for one field, but the range is Envoy's. */
function checkFieldSize(
  kilobytes: Wrapper<number> | undefined,
  path: string,
  compilation: Compilation,
): void {
  if (kilobytes === undefined || (kilobytes.value >= 64 && kilobytes.value <= 256)) return;
  compilation.fail(joinPath(path, 'max_header_field_size_kb'), 'must be in 64 .. 256');
}

/** What the codec itself acts by and announces: it goes into the fields that it reads. */
function isCodecs(id: number): boolean {
  switch (id) {
    case Setting.HeaderTableSize:
    case Setting.EnablePush:
    case Setting.MaxConcurrentStreams:
    case Setting.InitialWindowSize:
      return true;
    default:
      return false;
  }
}

/** Envoy: Http2::Utility::initializeAndValidateOptions. By identifier, in their order. */
function compileCustomSettings(
  options: Http2ProtocolOptionsProto,
  path: string,
  compilation: Compilation,
): Map<number, number> {
  const settings = new Map<number, number>();
  const at = joinPath(path, 'custom_settings_parameters');
  const inconsistent: string[] = [];
  const named: string[] = [];
  for (const [i, parameter] of (options.custom_settings_parameters ?? []).entries()) {
    const id = wrapperOr(parameter.identifier, 0);
    const value = wrapperOr(parameter.value, 0);
    const former = settings.get(id);
    if (former !== undefined && former !== value) inconsistent.push(`0x${id.toString(16)}`);
    else settings.set(id, value);
    const refusal = refusalOf(id, value);
    if (refusal !== '') compilation.fail(`${at}[${i}]`, refusal);
    const field = fieldOf(id, options);
    if (field !== '') named.push(field);
  }
  if (inconsistent.length > 0) {
    const list = inconsistent.join(',');
    const text = `inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {${list}}`;
    compilation.fail(at, text);
  }
  if (named.length > 0) {
    const text = `the {${named.join(',')}} HTTP/2 SETTINGS parameter(s) can not be configured through both named and custom parameters`;
    compilation.fail(at, text);
  }
  return settings;
}

/** '' = nothing wrong with it alone. */
function refusalOf(id: number, value: number): string {
  switch (id) {
    case Setting.EnablePush:
      return value === 0
        ? ''
        : 'server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.';
    case Setting.MaxConcurrentStreams:
      return value === 0 ? 'no stream would ever be allowed' : '';
    case Setting.InitialWindowSize:
      return value > MAX_WINDOW ? `a window is at most ${MAX_WINDOW} bytes` : '';
    case Setting.MaxFrameSize:
      return 'not supported yet (SETTINGS_MAX_FRAME_SIZE)';
    case Setting.EnableConnectProtocol:
      return 'the "allow_connect" SETTINGS parameter must only be configured through the named field';
    default:
      return '';
  }
}

/** The named field that says the same, if it is set; else ''. */
function fieldOf(id: number, options: Http2ProtocolOptionsProto): string {
  switch (id) {
    case Setting.HeaderTableSize:
      return options.hpack_table_size === undefined ? '' : 'hpack_table_size';
    case Setting.MaxConcurrentStreams:
      return options.max_concurrent_streams === undefined ? '' : 'max_concurrent_streams';
    case Setting.InitialWindowSize:
      return options.initial_stream_window_size === undefined ? '' : 'initial_stream_window_size';
    default:
      return '';
  }
}

function compileKeepalive(settings: KeepaliveSettingsProto | undefined): KeepaliveData | null {
  if (settings === undefined) return null;
  return {
    intervalMs: durationMsOr(settings.interval, 0),
    timeoutMs: durationMsOr(settings.timeout, 0),
    intervalJitterPercent:
      settings.interval_jitter === undefined
        ? DEFAULT_JITTER_PERCENT
        : (settings.interval_jitter.value ?? 0),
    idleIntervalMs: durationMsOr(settings.connection_idle_interval, 0),
  };
}
