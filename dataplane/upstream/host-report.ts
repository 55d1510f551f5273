// One worker's counters of one host, for /clusters; main adds the workers' up.

export interface HostReport {
  readonly cluster: string;
  /** `ip:port` */
  readonly address: string;
  readonly cxTotal: number;
  readonly cxConnectFail: number;
  readonly rqTotal: number;
  readonly rqSuccess: number;
  readonly rqError: number;
  readonly rqTimeout: number;
}
