// Checks access-log format strings (also the values of headers to add) when config is compiled, so that
// no request ever meets a bad one. The formatter that runs them is access-log/; the operators here are
// those that it has.
//
//   text %OPERATOR% text %OPERATOR(arguments):max_length% %%

import type { Compilation } from './compilation.ts';

/** Envoy's default access-log line, with its newline. */
export const defaultAccessLogFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" ' +
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** Whether the operator takes arguments in parentheses: never, must, may. */
const operators: Readonly<Record<string, 'never' | 'must' | 'may'>> = {
  START_TIME: 'may',
  PROTOCOL: 'never',
  UPSTREAM_PROTOCOL: 'never',
  RESPONSE_CODE: 'never',
  RESPONSE_CODE_DETAILS: 'may',
  CONNECTION_TERMINATION_DETAILS: 'never',
  RESPONSE_FLAGS: 'never',
  RESPONSE_FLAGS_LONG: 'never',
  BYTES_RECEIVED: 'never',
  BYTES_SENT: 'never',
  DURATION: 'never',
  REQUEST_DURATION: 'never',
  REQUEST_TX_DURATION: 'never',
  RESPONSE_DURATION: 'never',
  RESPONSE_TX_DURATION: 'never',
  REQ: 'must',
  RESP: 'must',
  TRAILER: 'must',
  GRPC_STATUS: 'may',
  GRPC_STATUS_NUMBER: 'never',
  ROUTE_NAME: 'never',
  VIRTUAL_CLUSTER_NAME: 'never',
  UPSTREAM_CLUSTER: 'never',
  UPSTREAM_HOST: 'never',
  UPSTREAM_HOST_NAME: 'never',
  UPSTREAM_REQUEST_ATTEMPT_COUNT: 'never',
  UPSTREAM_LOCAL_ADDRESS: 'never',
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: 'never',
  UPSTREAM_LOCAL_PORT: 'never',
  UPSTREAM_REMOTE_ADDRESS: 'never',
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: 'never',
  UPSTREAM_REMOTE_PORT: 'never',
  UPSTREAM_TRANSPORT_FAILURE_REASON: 'never',
  UPSTREAM_CONNECTION_ID: 'never',
  DOWNSTREAM_REMOTE_ADDRESS: 'never',
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: 'never',
  DOWNSTREAM_REMOTE_PORT: 'never',
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: 'never',
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: 'never',
  DOWNSTREAM_DIRECT_REMOTE_PORT: 'never',
  DOWNSTREAM_LOCAL_ADDRESS: 'never',
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: 'never',
  DOWNSTREAM_LOCAL_PORT: 'never',
  CONNECTION_ID: 'never',
  REQUESTED_SERVER_NAME: 'never',
  FILTER_CHAIN_NAME: 'never',
  DOWNSTREAM_PEER_URI_SAN: 'never',
  DOWNSTREAM_PEER_DNS_SAN: 'never',
  DOWNSTREAM_PEER_SUBJECT: 'never',
  DOWNSTREAM_PEER_ISSUER: 'never',
  DOWNSTREAM_PEER_SERIAL: 'never',
  DOWNSTREAM_PEER_FINGERPRINT_256: 'never',
  DOWNSTREAM_LOCAL_URI_SAN: 'never',
  DOWNSTREAM_LOCAL_SUBJECT: 'never',
  DOWNSTREAM_TLS_VERSION: 'never',
  DOWNSTREAM_TLS_CIPHER: 'never',
  UPSTREAM_PEER_URI_SAN: 'never',
  UPSTREAM_PEER_SUBJECT: 'never',
  UPSTREAM_TLS_VERSION: 'never',
  UPSTREAM_TLS_CIPHER: 'never',
  DYNAMIC_METADATA: 'must',
  HOSTNAME: 'never',
  LOCAL_REPLY_BODY: 'never',
};

const operatorPattern = /%(?:%|([A-Z][A-Z0-9_]*)(?:\(((?:[^()]|\([^()]*\))*)\))?(?::(\d+))?%|)/g;

/** Records what is wrong with a format string, if anything. */
export function checkFormat(format: string, path: string, compilation: Compilation): void {
  for (const match of format.matchAll(operatorPattern)) {
    if (match[0] === '%%') continue;
    const operator = match[1];
    if (operator === undefined) {
      const near = format.slice(match.index, match.index + 20);
      compilation.fail(path, `malformed format at position ${match.index}: '${near}'`);
      return;
    }
    const args = Object.hasOwn(operators, operator) ? operators[operator] : undefined;
    if (args === undefined) compilation.fail(path, `not supported yet (%${operator}%)`);
    else if (args === 'must' && match[2] === undefined) {
      compilation.fail(path, `%${operator}% needs an argument in parentheses`);
    } else if (args === 'never' && match[2] !== undefined) {
      compilation.fail(path, `%${operator}% takes no arguments`);
    }
  }
}
