// SETTINGS both ways: what we say in the first frame, and what the peer said last (RFC 9113 6.5).

import type { Http2Data } from '../../api/config/http2.ts';
import {
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  ErrorCode,
  MAX_WINDOW_BYTES,
  readUint32,
  SettingId,
  writeUint32,
} from './frames.ts';

const SETTING_BYTES = 6;
const MAX_FRAME_LIMIT = 0xffffff;

/** Payload of our first SETTINGS, in Envoy's order. */
export function ourSettings(protocol: Http2Data, isServer: boolean): Buffer {
  const settings: (readonly [number, number])[] = [
    [SettingId.HeaderTableSize, protocol.hpackTableSize],
  ];
  if (isServer) settings.push([SettingId.EnableConnectProtocol, protocol.allowConnect ? 1 : 0]);
  else settings.push([SettingId.EnablePush, 0]);
  settings.push(
    [SettingId.MaxConcurrentStreams, protocol.maxConcurrentStreams],
    [SettingId.InitialWindowSize, protocol.initialStreamWindowSize],
    ...protocol.customSettings,
  );
  const payload = Buffer.alloc(settings.length * SETTING_BYTES);
  let at = 0;
  for (const [id, value] of settings) {
    payload[at] = id >>> 8;
    payload[at + 1] = id;
    at = writeUint32(payload, at + 2, value);
  }
  return payload;
}

export class PeerSettings {
  maxFrameBytes: number = DEFAULT_MAX_FRAME_BYTES;
  initialWindowBytes: number = DEFAULT_WINDOW_BYTES;
  /** Without a word from the peer there is no limit. */
  maxConcurrentStreams = 0xffffffff;
  headerTableBytes = 4096;
  /** The least that headerTableBytes was in the last payload; it may stand there twice. */
  leastHeaderTableBytes = 4096;
  enablesConnect = false;
  /** Its first SETTINGS came. */
  isKnown = false;

  /**
   * Takes one payload, later values over earlier ones. Settings nobody knows mean nothing. Returns the error of
   * the connection, NoError = all are fine. `isFromServer`: it may not enable push.
   */
  apply(bytes: Buffer, start: number, end: number, isFromServer: boolean): ErrorCode {
    if ((end - start) % SETTING_BYTES !== 0) return ErrorCode.FrameSizeError;
    this.isKnown = true;
    this.leastHeaderTableBytes = this.headerTableBytes;
    for (let at = start; at < end; at += SETTING_BYTES) {
      const id = (bytes[at]! << 8) | bytes[at + 1]!;
      const error = this.#set(id, readUint32(bytes, at + 2), isFromServer);
      if (error !== ErrorCode.NoError) return error;
    }
    return ErrorCode.NoError;
  }

  #set(id: number, value: number, isFromServer: boolean): ErrorCode {
    switch (id) {
      case SettingId.HeaderTableSize:
        this.headerTableBytes = value;
        if (value < this.leastHeaderTableBytes) this.leastHeaderTableBytes = value;
        break;
      case SettingId.EnablePush:
        if (value > 1 || (isFromServer && value === 1)) return ErrorCode.ProtocolError;
        break;
      case SettingId.MaxConcurrentStreams:
        this.maxConcurrentStreams = value;
        break;
      case SettingId.InitialWindowSize:
        if (value > MAX_WINDOW_BYTES) return ErrorCode.FlowControlError;
        this.initialWindowBytes = value;
        break;
      case SettingId.MaxFrameSize:
        if (value < DEFAULT_MAX_FRAME_BYTES || value > MAX_FRAME_LIMIT) {
          return ErrorCode.ProtocolError;
        }
        this.maxFrameBytes = value;
        break;
      case SettingId.EnableConnectProtocol:
        if (value > 1 || (this.enablesConnect && value === 0)) return ErrorCode.ProtocolError;
        this.enablesConnect = value === 1;
        break;
    }
    return ErrorCode.NoError;
  }
}
