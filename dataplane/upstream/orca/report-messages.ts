// The two messages of xds.service.orca.v3.OpenRcaService/StreamCoreMetrics with their gRPC framing.
//
//   frame    | flags, 1 byte: 0 = plain | length, 4 bytes | message |
//   request  | 0x0a length | 0x08 seconds 0x10 nanoseconds |      report_interval alone: all metrics are asked for

import type { OrcaReport } from '../lb/measured/orca-report.ts';
import { decodeReport } from '../lb/measured/orca-wire.ts';

const HEADER_BYTES = 5;
/** A hundred named metrics are a tenth of it; who sends more has another protocol in mind. */
export const MAX_REPORT_BYTES = 64 * 1024;
const NS_PER_MS = 1_000_000;

/** A framed OrcaLoadReportRequest. */
export function encodeReportRequest(periodMs: number): Buffer {
  const duration: number[] = [];
  const seconds = Math.floor(periodMs / 1000);
  const nanos = Math.round((periodMs % 1000) * NS_PER_MS);
  if (seconds > 0) duration.push(0x08, ...varint(seconds));
  if (nanos > 0) duration.push(0x10, ...varint(nanos));
  const message = [0x0a, duration.length, ...duration];
  return Buffer.from([0, 0, 0, 0, message.length, ...message]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

/** Takes the bytes of a stream as they come. */
export class ReportReader {
  #bytes: Buffer = Buffer.alloc(0);

  /** The reports that are whole now; null = this is no stream of reports. Keeps a copy of what is left. */
  add(data: Buffer): OrcaReport[] | null {
    let bytes = this.#bytes.length === 0 ? data : Buffer.concat([this.#bytes, data]);
    const reports: OrcaReport[] = [];
    while (bytes.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + bytes.readUInt32BE(1);
      // The compressed flag: we announced no encoding.
      if (bytes[0] !== 0 || end > HEADER_BYTES + MAX_REPORT_BYTES) return null;
      if (bytes.length < end) break;
      const report = decodeReport(bytes.subarray(HEADER_BYTES, end));
      if (report === null) return null;
      reports.push(report);
      bytes = bytes.subarray(end);
    }
    this.#bytes = Buffer.from(bytes);
    return reports;
  }
}
