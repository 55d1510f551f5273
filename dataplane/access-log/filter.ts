// config.accesslog.v3.AccessLogFilter at run time: says whether a request's line is written.

import type { Random } from '../../common/clock.ts';
import type { LogContext } from '../api/access-log.ts';
import type { AccessLogFilterData, ComparisonData } from '../api/config/access-log.ts';
import { HeaderMatcher } from '../matcher/header-matcher.ts';
import { RuntimeFraction, RuntimeValue } from '../matcher/runtime-value.ts';
import { anyGrpcStatus, grpcStatusNumber } from './grpc-status.ts';
import { flagBits } from './response-flags.ts';

/** True = write the line. */
export type LogFilter = (context: LogContext) => boolean;

/** Compiles a filter; `random` is for the runtime filter. */
export function compileLogFilter(data: AccessLogFilterData, random: Random): LogFilter {
  switch (data.kind) {
    case 'status_code': {
      const compare = comparison(data.comparison);
      return ({ streamInfo }) => compare(streamInfo.responseCode);
    }
    case 'duration': {
      const compare = comparison(data.comparison);
      return ({ streamInfo }) =>
        streamInfo.endMs >= 0 && compare(Math.floor(streamInfo.endMs - streamInfo.startMs));
    }
    case 'not_health_check':
      return ({ streamInfo }) => !streamInfo.isHealthCheck;
    case 'runtime': {
      const fraction = new RuntimeFraction(data.fraction);
      return (context) => {
        const drawn = data.independent ? -1 : requestIdRandom(context);
        return drawn < 0 ? fraction.draw(random()) : fraction.holds(drawn);
      };
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
      const mask = flagBits(data.flags);
      return data.flags.length === 0
        ? ({ streamInfo }) => streamInfo.responseFlags !== 0
        : ({ streamInfo }) => (streamInfo.responseFlags & mask) !== 0;
    }
    case 'grpc_status': {
      const statuses = new Set(data.statuses.map(grpcStatusNumber));
      return (context) => statuses.has(anyGrpcStatus(context)) !== data.exclude;
    }
  }
}

function comparison({ op, value: data }: ComparisonData): (actual: number) => boolean {
  const value = new RuntimeValue(data);
  switch (op) {
    case 'EQ':
      return (actual) => actual === value.number();
    case 'NE':
      return (actual) => actual !== value.number();
    case 'GE':
      return (actual) => actual >= value.number();
    case 'LE':
      return (actual) => actual <= value.number();
  }
}

const LEADING_HEX = /^[0-9a-fA-F]{8}/;

/** The same for all proxies that see this request id (its first 32 bits); -1 = there is none. */
function requestIdRandom(context: LogContext): number {
  const id = context.requestHeaders?.get('x-request-id') ?? '';
  return LEADING_HEX.test(id) ? Number.parseInt(id.slice(0, 8), 16) : -1;
}
