// ORCA load reports (xds.data.orca.v3.OrcaLoadReport) out of a response's headers or trailers, in each form that Envoy
// takes:
//
//   endpoint-load-metrics-bin: <base64 of the protobuf>
//   endpoint-load-metrics: TEXT cpu_utilization=0.5, named_metrics.queue:0.2  |  JSON {...}  |  BIN <base64>
//
// A report that makes no sense is null: what an upstream says of itself must not cost the response.

import { getField, type HeaderFields } from '../../../api/headers.ts';
import { emptyReport, type OrcaReport, setMetric } from './orca-report.ts';
import { decodeReport } from './orca-wire.ts';

const MAX_BYTES = 16 * 1024;

const HEADER = 'endpoint-load-metrics';

/** Null = there is none, or none that makes sense. */
export function orcaReportIn(fields: HeaderFields): OrcaReport | null {
  const text = getField(fields, HEADER);
  const bin = getField(fields, `${HEADER}-bin`);
  // Envoy: of two nobody knows which is meant.
  if ((text === null) === (bin === null)) return null;
  const value = text ?? bin ?? '';
  if (value.length > MAX_BYTES) return null;
  if (bin !== null) return parseBinary(bin);
  if (value.startsWith('TEXT ')) return parseText(value.slice(5));
  if (value.startsWith('JSON ')) return parseJson(value.slice(5));
  return value.startsWith('BIN ') ? parseBinary(value.slice(4)) : null;
}

function parseBinary(base64: string): OrcaReport | null {
  return decodeReport(Buffer.from(base64, 'base64'));
}

function parseText(text: string): OrcaReport | null {
  const report = emptyReport();
  const seen = new Set<string>();
  for (const part of text.split(',')) {
    const at = part.search(/[:=]/);
    if (at === -1) return null;
    const name = part.slice(0, at).trim();
    const value = part.slice(at + 1).trim();
    if (seen.has(name) || value === '') return null;
    seen.add(name);
    if (!setMetric(report, name, Number(value))) return null;
  }
  return report;
}

function parseJson(text: string): OrcaReport | null {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return null; // the upstream's mistake: no report
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return null;
  const report = emptyReport();
  for (const [key, value] of Object.entries(given)) {
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (typeof value === 'number') {
      if (name !== 'rps' && !setMetric(report, name, value)) return null;
    } else if (typeof value === 'object' && value !== null) {
      for (const [metric, of] of Object.entries(value)) {
        if (typeof of !== 'number' || !setMetric(report, `${name}.${metric}`, of)) return null;
      }
    } else return null;
  }
  return report;
}
