// What each %OPERATOR% of a format reads. Looked up by name when a format is compiled; the objects made here
// run per log line, so they only read fields. Names and meanings are Envoy's (substitution_formatter).
// A name that is not in the table is refused when config is checked.

import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { byteString } from '../../common/byte-string.ts';
import type { LogContext } from '../api/access-log.ts';
import { formatAddress, type SocketAddress, type TlsInfo } from '../api/connection.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { jsonText } from './byte-string.ts';
import { filterState } from './filter-state-operator.ts';
import type { FormatToken } from './format-parser.ts';
import { grpcStatusName, grpcStatusOf, NO_GRPC_STATUS } from './grpc-status.ts';
import { dynamicMetadata } from './metadata-operator.ts';
import type { Operator } from './operator.ts';
import {
  headerReader,
  pathReader,
  queryParameterReader,
  queryReader,
} from './request-operators.ts';
import { responseFlagsLongText, responseFlagsText } from './response-flags.ts';
import { compileTimePattern } from './start-time.ts';

/** Where %ENVIRONMENT(X)% looks; asked once, when the format is compiled. */
export type Environment = (name: string) => string | undefined;

/** An operator, or what is wrong with how it is used. */
export type OperatorOutcome =
  | { readonly ok: true; readonly operator: Operator }
  | { readonly ok: false; readonly message: string };

type ReadText = (context: LogContext) => string | null;
type ReadNumber = (context: LogContext) => number | null;

class TextOperator implements Operator {
  readonly #read: ReadText;
  readonly #maxLength: number;

  constructor(read: ReadText, maxLength: number | null) {
    this.#read = read;
    this.#maxLength = maxLength ?? Number.POSITIVE_INFINITY;
  }

  text(context: LogContext): string | null {
    const value = this.#read(context);
    if (value === null || value.length <= this.#maxLength) return value;
    return value.slice(0, this.#maxLength);
  }

  json(context: LogContext): string | null {
    const value = this.text(context);
    return value === null ? null : jsonText(value);
  }
}

class NumberOperator implements Operator {
  readonly #read: ReadNumber;

  constructor(read: ReadNumber) {
    this.#read = read;
  }

  text(context: LogContext): string | null {
    const value = this.#read(context);
    return value === null ? null : String(value);
  }

  json(context: LogContext): string | null {
    return this.text(context);
  }
}

/** How the operator is written: with no argument, with one, or either way. */
type ArgumentRule = 'never' | 'must' | 'may';

interface Definition {
  readonly argument: ArgumentRule;
  /** `argument` is '' when absent. A string = what is wrong with it. */
  compile(argument: string, maxLength: number | null, environment: Environment): Operator | string;
}

function text(read: ReadText): Definition {
  return { argument: 'never', compile: (_none, maxLength) => new TextOperator(read, maxLength) };
}

function number(read: ReadNumber): Definition {
  return { argument: 'never', compile: () => new NumberOperator(read) };
}

/** A definition with an argument: `make` gives the reader, or what is wrong. */
function textBy(
  argument: 'must' | 'may',
  make: (argument: string, environment: Environment) => ReadText | string,
): Definition {
  return {
    argument,
    compile: (value, maxLength, environment) => {
      const read = make(value, environment);
      return typeof read === 'string' ? read : new TextOperator(read, maxLength);
    },
  };
}

const orNull = (value: string): string | null => (value === '' ? null : byteString(value));
const noSpaces = (value: string): string | null =>
  value === '' ? null : byteString(value).replaceAll(/\s/g, '_');
const joined = (values: readonly string[]): string | null =>
  values.length === 0 ? null : byteString(values.join(','));
const address = (of: SocketAddress | null): string | null =>
  of === null ? null : formatAddress(of);

function duration(fromMs: number, toMs: number): number | null {
  return fromMs < 0 || toMs < 0 ? null : Math.floor(Math.max(0, toMs - fromMs));
}

/** The addresses of one end: whole, without port, port alone. */
function addressOperators(
  name: string,
  read: (info: StreamInfo) => SocketAddress | null,
): Record<string, Definition> {
  return {
    [`${name}_ADDRESS`]: text((c) => address(read(c.streamInfo))),
    [`${name}_ADDRESS_WITHOUT_PORT`]: text((c) => read(c.streamInfo)?.ip ?? null),
    [`${name}_PORT`]: number((c) => read(c.streamInfo)?.port ?? null),
  };
}

function tlsOperators(
  side: 'DOWNSTREAM' | 'UPSTREAM',
  read: (info: StreamInfo) => TlsInfo | null,
): Record<string, Definition> {
  const of = (field: (tls: TlsInfo) => string | null): Definition =>
    text((c) => {
      const tls = read(c.streamInfo);
      return tls === null ? null : field(tls);
    });
  return {
    [`${side}_PEER_URI_SAN`]: of((tls) => joined(tls.uriSanPeerCertificate)),
    [`${side}_PEER_DNS_SAN`]: of((tls) => joined(tls.dnsSansPeerCertificate)),
    [`${side}_PEER_SUBJECT`]: of((tls) => orNull(tls.subjectPeerCertificate)),
    [`${side}_PEER_ISSUER`]: of((tls) => orNull(tls.issuerPeerCertificate)),
    [`${side}_PEER_SERIAL`]: of((tls) => orNull(tls.serialNumberPeerCertificate)),
    [`${side}_PEER_FINGERPRINT_256`]: of((tls) => orNull(tls.sha256PeerCertificateDigest)),
    [`${side}_LOCAL_URI_SAN`]: of((tls) => joined(tls.uriSanLocalCertificate)),
    [`${side}_LOCAL_SUBJECT`]: of((tls) => orNull(tls.subjectLocalCertificate)),
    [`${side}_TLS_VERSION`]: of((tls) => orNull(tls.version)),
    [`${side}_TLS_CIPHER`]: of((tls) => orNull(tls.cipherSuite)),
  };
}

const notOfAName = /[^\w.-]/g;

/** A server name is whatever the client says: a log line or a header gets nothing but a name of it, as in Envoy. */
function cleanServerName(name: string): string {
  const clean = name.replaceAll(notOfAName, '_');
  return clean === name ? name : `invalid:${clean}`;
}

function timeReader(pattern: string, read: (info: StreamInfo) => number): ReadText | string {
  const compiled = compileTimePattern(pattern);
  if (compiled === null) return `unknown conversion in the time format '${pattern}'`;
  return (c) => compiled.format(read(c.streamInfo));
}

/** COMMON_DURATION's names of moments; those of connecting upstream are not kept. */
const moments: Readonly<Record<string, (info: StreamInfo) => number>> = {
  DS_RX_BEG: (info) => info.startMs,
  DS_RX_END: (info) => info.lastDownstreamRxByteMs,
  US_TX_BEG: (info) => info.firstUpstreamTxByteMs,
  US_TX_END: (info) => info.lastUpstreamTxByteMs,
  US_RX_BEG: (info) => info.firstUpstreamRxByteMs,
  US_RX_END: (info) => info.lastUpstreamRxByteMs,
  DS_TX_BEG: (info) => info.firstDownstreamTxByteMs,
  DS_TX_END: (info) => info.lastDownstreamTxByteMs,
};
const unitsPerMs: Readonly<Record<string, number>> = { ms: 1, us: 1e3, ns: 1e6 };

function commonDuration(argument: string): Operator | string {
  const [from = '', to = '', unit = '', ...rest] = argument.split(':');
  const factor = Object.hasOwn(unitsPerMs, unit) ? unitsPerMs[unit] : undefined;
  if (factor === undefined || rest.length > 0) {
    return 'expected (start:end:unit) with unit ms, us or ns';
  }
  for (const name of [from, to]) {
    if (!Object.hasOwn(moments, name)) {
      return `unknown moment '${name}'; known: ${Object.keys(moments).join(', ')}`;
    }
  }
  const start = moments[from]!;
  const end = moments[to]!;
  return new NumberOperator(({ streamInfo }) => {
    const fromMs = start(streamInfo);
    const toMs = end(streamInfo);
    return fromMs < 0 || toMs < 0 || toMs < fromMs ? null : Math.floor((toMs - fromMs) * factor);
  });
}

function grpcStatus(argument: string): Operator | string {
  switch (argument) {
    case '':
    case 'CAMEL_STRING':
    case 'SNAKE_STRING': {
      const form = argument === 'SNAKE_STRING' ? 'snake' : 'camel';
      return new TextOperator((c) => {
        const status = grpcStatusOf(c);
        return status === NO_GRPC_STATUS ? null : grpcStatusName(status, form);
      }, null);
    }
    case 'NUMBER':
      return new NumberOperator(grpcStatusNumberOf);
    default:
      return 'expected CAMEL_STRING, SNAKE_STRING or NUMBER';
  }
}

function grpcStatusNumberOf(context: LogContext): number | null {
  const status = grpcStatusOf(context);
  return status === NO_GRPC_STATUS ? null : status;
}

const definitions: Readonly<Record<string, Definition>> = {
  START_TIME: textBy('may', (pattern) => timeReader(pattern, (info) => info.startWallMs)),
  PROTOCOL: text((c) => orNull(c.streamInfo.protocol)),
  UPSTREAM_PROTOCOL: text((c) => orNull(c.streamInfo.upstreamProtocol)),
  RESPONSE_CODE: number((c) => c.streamInfo.responseCode),
  RESPONSE_CODE_DETAILS: textBy('may', (argument) => {
    if (argument === 'ALLOW_WHITESPACES') return (c) => orNull(c.streamInfo.responseCodeDetails);
    if (argument !== '') return 'expected ALLOW_WHITESPACES';
    return (c) => noSpaces(c.streamInfo.responseCodeDetails);
  }),
  CONNECTION_TERMINATION_DETAILS: text((c) => orNull(c.streamInfo.connectionTerminationDetails)),
  DOWNSTREAM_LOCAL_CLOSE_REASON: text((c) => noSpaces(c.streamInfo.downstreamLocalCloseReason)),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: text((c) =>
    noSpaces(c.streamInfo.downstreamTransportFailureReason),
  ),
  RESPONSE_FLAGS: text((c) => responseFlagsText(c.streamInfo.responseFlags, c.type !== undefined)),
  RESPONSE_FLAGS_LONG: text((c) =>
    responseFlagsLongText(c.streamInfo.responseFlags, c.type !== undefined),
  ),
  BYTES_RECEIVED: number((c) => c.streamInfo.bytesReceived),
  BYTES_SENT: number((c) => c.streamInfo.bytesSent),
  DURATION: number((c) => duration(c.streamInfo.startMs, c.streamInfo.endMs)),
  COMMON_DURATION: { argument: 'must', compile: commonDuration },
  REQUEST_DURATION: number((c) =>
    duration(c.streamInfo.startMs, c.streamInfo.lastDownstreamRxByteMs),
  ),
  REQUEST_TX_DURATION: number((c) =>
    duration(c.streamInfo.startMs, c.streamInfo.lastUpstreamTxByteMs),
  ),
  RESPONSE_DURATION: number((c) =>
    duration(c.streamInfo.startMs, c.streamInfo.firstUpstreamRxByteMs),
  ),
  RESPONSE_TX_DURATION: number((c) =>
    duration(c.streamInfo.firstUpstreamRxByteMs, c.streamInfo.lastDownstreamTxByteMs),
  ),
  REQ: textBy('must', (names) => headerReader(names, (c) => c.requestHeaders)),
  RESP: textBy('must', (names) => headerReader(names, (c) => c.responseHeaders)),
  TRAILER: textBy('must', (names) => headerReader(names, (c) => c.responseTrailers)),
  PATH: textBy('may', pathReader),
  QUERY_PARAM: textBy('must', queryParameterReader),
  QUERY_PARAMS: textBy('may', queryReader),
  GRPC_STATUS: { argument: 'may', compile: grpcStatus },
  GRPC_STATUS_NUMBER: number(grpcStatusNumberOf),
  ROUTE_NAME: text((c) => orNull(c.streamInfo.routeName)),
  // Virtual clusters are not supported, so no request ever has one.
  VIRTUAL_CLUSTER_NAME: text(() => null),
  UPSTREAM_CLUSTER: text((c) => orNull(c.streamInfo.upstreamCluster)),
  UPSTREAM_CLUSTER_RAW: text((c) => orNull(c.streamInfo.upstreamCluster)),
  UPSTREAM_HOST: text((c) => address(c.streamInfo.upstreamHost)),
  UPSTREAM_HOST_NAME: text(
    (c) => orNull(c.streamInfo.upstreamHostName) ?? address(c.streamInfo.upstreamHost),
  ),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: number((c) => c.streamInfo.upstreamRequestAttemptCount),
  UPSTREAM_TRANSPORT_FAILURE_REASON: text((c) =>
    noSpaces(c.streamInfo.upstreamTransportFailureReason),
  ),
  UPSTREAM_CONNECTION_ID: number((c) => c.streamInfo.upstreamConnectionId),
  ...addressOperators('UPSTREAM_LOCAL', (info) => info.upstreamLocalAddress),
  // Only of a connection that was made; %UPSTREAM_HOST% is what was tried.
  ...addressOperators('UPSTREAM_REMOTE', (info) =>
    info.upstreamLocalAddress === null ? null : info.upstreamHost,
  ),
  ...addressOperators('DOWNSTREAM_REMOTE', (info) => info.downstreamRemoteAddress),
  ...addressOperators('DOWNSTREAM_DIRECT_REMOTE', (info) => info.downstreamDirectRemoteAddress),
  ...addressOperators('DOWNSTREAM_LOCAL', (info) => info.downstreamLocalAddress),
  CONNECTION_ID: number((c) => c.streamInfo.connectionId),
  STREAM_ID: text((c) => c.requestHeaders?.get('x-request-id') ?? null),
  UNIQUE_ID: text(() => randomUUID()),
  REQUESTED_SERVER_NAME: text((c) => orNull(cleanServerName(c.streamInfo.requestedServerName))),
  FILTER_CHAIN_NAME: text((c) => orNull(c.streamInfo.filterChainName)),
  ...tlsOperators('DOWNSTREAM', (info) => info.downstreamTls),
  ...tlsOperators('UPSTREAM', (info) => info.upstreamTls),
  DYNAMIC_METADATA: {
    argument: 'must',
    compile: (argument, maxLength) => dynamicMetadata(argument, maxLength),
  },
  FILTER_STATE: { argument: 'must', compile: filterState },
  ACCESS_LOG_TYPE: text((c) => c.type ?? 'DownstreamEnd'),
  HOSTNAME: {
    argument: 'never',
    compile: (_none, maxLength) => {
      const name = byteString(hostname());
      return new TextOperator(() => name, maxLength);
    },
  },
  ENVIRONMENT: textBy('must', (name, environment) => {
    // Envoy writes `-` also where another missing value would be null or left out.
    const value = byteString(environment(name) ?? '-');
    return () => value;
  }),
  LOCAL_REPLY_BODY: text((c) => byteString(c.localReplyBody)),
};

/** Compiles one operator of a parsed format. */
export function compileOperator(
  token: Extract<FormatToken, { kind: 'operator' }>,
  environment: Environment,
): OperatorOutcome {
  const { name, argument, maxLength } = token;
  const definition = Object.hasOwn(definitions, name) ? definitions[name] : undefined;
  if (definition === undefined) {
    return { ok: false, message: `not supported yet: %${name}%; remove it from the format` };
  }
  if (definition.argument === 'must' && (argument === null || argument === '')) {
    return { ok: false, message: `%${name}% needs an argument in parentheses` };
  }
  if (definition.argument === 'never' && argument !== null) {
    return { ok: false, message: `%${name}% takes no argument` };
  }
  const operator = definition.compile(argument ?? '', maxLength, environment);
  return typeof operator === 'string'
    ? { ok: false, message: `%${name}(${argument ?? ''})%: ${operator}` }
    : { ok: true, operator };
}
