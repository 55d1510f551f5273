// The protobuf form of an ORCA load report. Workers have no protobuf library (it costs 13 MB each), and this message has
// three shapes of fields only: doubles, a varint that nobody reads, and maps of doubles.

import { emptyReport, type OrcaReport, setMetric } from './orca-report.ts';

/** Field number -> name; source: xds/data/orca/v3/orca_load_report.proto. */
const doubles: readonly string[] = [
  '',
  'cpu_utilization',
  'mem_utilization',
  '',
  '',
  '',
  'rps_fractional',
  'eps',
  '',
  'application_utilization',
];
const maps: readonly string[] = [
  '',
  '',
  '',
  '',
  'request_cost',
  'utilization',
  '',
  '',
  'named_metrics',
];

const WireType = { Varint: 0, Fixed64: 1, Length: 2, Fixed32: 5 } as const;

/** Null = not such a message. */
export function decodeReport(bytes: Buffer): OrcaReport | null {
  const report = emptyReport();
  const reader = new WireReader(bytes);
  while (reader.next()) {
    const { field, wireType } = reader;
    if (wireType === WireType.Fixed64) {
      const value = reader.double();
      const name = doubles[field] ?? '';
      if (name !== '' && !setMetric(report, name, value)) return null;
    } else if (wireType === WireType.Length) {
      const piece = reader.piece();
      const map = maps[field] ?? '';
      if (map !== '' && !takeEntry(report, map, piece)) return null;
    } else reader.skip();
  }
  return reader.isBroken ? null : report;
}

/** A map's entry: key = 1, value = 2. */
function takeEntry(report: OrcaReport, map: string, bytes: Buffer): boolean {
  const reader = new WireReader(bytes);
  let key = '';
  let value = 0;
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === WireType.Length) key = reader.piece().toString();
    else if (reader.field === 2 && reader.wireType === WireType.Fixed64) value = reader.double();
    else reader.skip();
  }
  return !reader.isBroken && setMetric(report, `${map}.${key}`, value);
}

/** Reads past the end break it, and it ends. */
class WireReader {
  readonly #bytes: Buffer;
  #at = 0;
  isBroken = false;
  field = 0;
  wireType = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  next(): boolean {
    if (this.isBroken || this.#at >= this.#bytes.length) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    return !this.isBroken;
  }

  double(): number {
    const at = this.#take(8);
    return at === -1 ? 0 : this.#bytes.readDoubleLE(at);
  }

  piece(): Buffer {
    const length = this.#varint();
    const at = this.#take(length);
    return at === -1 ? Buffer.alloc(0) : this.#bytes.subarray(at, at + length);
  }

  skip(): void {
    if (this.wireType === WireType.Varint) this.#varint();
    else if (this.wireType === WireType.Fixed64) this.#take(8);
    else if (this.wireType === WireType.Fixed32) this.#take(4);
    else if (this.wireType === WireType.Length) this.piece();
    else this.isBroken = true;
  }

  #take(length: number): number {
    const at = this.#at;
    if (this.isBroken || at + length > this.#bytes.length) {
      this.isBroken = true;
      return -1;
    }
    this.#at += length;
    return at;
  }

  /** Exact up to 2^53; what is larger is no length and no tag. */
  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const at = this.#take(1);
      if (at === -1) return 0;
      const byte = this.#bytes[at]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    this.isBroken = true;
    return 0;
  }
}
