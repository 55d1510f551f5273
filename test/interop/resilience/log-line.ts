// The access log that both proxies write, and how a line of it is read; where outlier detection writes.

/** Behind what an access-log line says there is a newline only. */
export const logFormat = [
  '%REQ(X-SCENARIO-REQUEST)%',
  '%RESPONSE_CODE%',
  '%RESPONSE_FLAGS%',
  '%RESPONSE_CODE_DETAILS%',
  '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  '%UPSTREAM_CLUSTER%',
  '%UPSTREAM_HOST%',
  '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  '%GRPC_STATUS%',
];

/** As many fields as logFormat has, in its order. */
export interface LogLine {
  readonly request: string;
  readonly code: string;
  readonly flags: string;
  readonly details: string;
  readonly attempts: string;
  readonly cluster: string;
  readonly host: string;
  readonly failureReason: string;
  readonly grpcStatus: string;
}

export function parseLogLine(line: string): LogLine {
  const fields = line.split('\t');
  const at = (index: number) => fields[index] ?? '';
  return {
    request: at(0),
    code: at(1),
    flags: at(2),
    details: at(3),
    attempts: at(4),
    cluster: at(5),
    host: at(6),
    failureReason: at(7),
    grpcStatus: at(8),
  };
}

export const outlierLog = 'outlier.log';
