// Access log filters: whether a line is written at all. Compiled once.

import type { Random } from '../../common/clock.ts';
import type { LogContext } from '../api/access-log.ts';
import type { AccessLogFilterData, ComparisonData } from '../api/config/access-log.ts';
import { getField } from '../api/headers.ts';
import { HeaderMatcher } from '../matcher/header-matcher.ts';
import { grpcStatusCode } from './grpc-status.ts';
import { flagBits } from './response-flags.ts';

export type LogFilter = (context: LogContext) => boolean;

function compare({ op, value }: ComparisonData, actual: number): boolean {
  switch (op) {
    case 'EQ':
      return actual === value;
    case 'GE':
      return actual >= value;
    case 'LE':
      return actual <= value;
    case 'NE':
      return actual !== value;
    default:
      return op satisfies never;
  }
}

/** Null data = every line. */
export function compileLogFilter(data: AccessLogFilterData | null, random: Random): LogFilter {
  if (data === null) return () => true;
  switch (data.kind) {
    case 'status_code':
      return ({ streamInfo }) => compare(data.comparison, streamInfo.responseCode);
    case 'duration':
      return ({ streamInfo }) =>
        compare(data.comparison, Math.floor(streamInfo.endMs - streamInfo.startMs));
    case 'not_health_check':
      // Health checks are told by the health_check filter, which does not exist yet: nothing is one.
      return () => true;
    case 'runtime': {
      const share = data.fraction.numerator / data.fraction.denominator;
      return () => random() < share;
    }
    case 'and': {
      const filters = data.filters.map((filter) => compileLogFilter(filter, random));
      return (context) => filters.every((filter) => filter(context));
    }
    case 'or': {
      const filters = data.filters.map((filter) => compileLogFilter(filter, random));
      return (context) => filters.some((filter) => filter(context));
    }
    case 'header': {
      const matcher = new HeaderMatcher(data.header);
      return ({ requestHeaders }) => requestHeaders !== null && matcher.matches(requestHeaders);
    }
    case 'response_flag': {
      const bits = data.flags.length === 0 ? -1 : flagBits(data.flags);
      return ({ streamInfo }) => (streamInfo.responseFlags & bits) !== 0;
    }
    case 'grpc_status': {
      const codes = new Set(data.statuses.map(grpcStatusCode));
      return (context) => codes.has(grpcStatusOf(context)) !== data.exclude;
    }
    default:
      return data satisfies never;
  }
}

/** Envoy: without a grpc-status the HTTP status is mapped; here as far as gRPC's mapping says. */
function grpcStatusOf({ responseTrailers, responseHeaders, streamInfo }: LogContext): number {
  const text =
    (responseTrailers === null ? null : getField(responseTrailers, 'grpc-status')) ??
    responseHeaders?.get('grpc-status') ??
    null;
  if (text !== null) return Number(text);
  switch (streamInfo.responseCode) {
    case 200:
      return 0;
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}
