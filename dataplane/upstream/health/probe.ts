// What a session knows of the protocol that it checks with: a probe asks once per start() and tells its
// observer the answer. Implemented by http-probe, tcp-probe and grpc-probe.

import type { FailureType } from './event-log.ts';

/** The checks of one host over one protocol; keeps its connection between them if it may. */
export interface Probe {
  /** Begins a check; one result follows, unless onTimeout or close comes first. */
  start(): void;
  /** The check took too long: no result is to come. */
  onTimeout(): void;
  /** The host is not to be checked any more: no result is to come. */
  close(): void;
}

/** The session. Any call may close the probe. */
export interface ProbeObserver {
  onSuccess(isDegraded: boolean): void;
  /** `isRetriable`: the host said so itself, but it counts like a network failure. */
  onFailure(type: FailureType, httpStatus: number, isRetriable: boolean): void;
  /** The host asks to be left out of the arithmetic until it is healthy (x-envoy-immediate-health-check-fail). */
  onExcluded(): void;
  /** Its service name was looked at. */
  onServiceNameChecked(): void;
}
