// What the admin pages are made of; the server implements it. Pages never touch anything else.

import type { LogLevel } from '../../../common/logger.ts';
import type { ClientStatusRequestProto } from '../../../proto/gen/types.ts';
import type { ClusterConfig } from '../../api/config/cluster.ts';
import type { SocketAddress } from '../../api/connection.ts';
import type { RuntimeDump } from '../../runtime/snapshot.ts';
import type { StatEntry } from '../../stats/snapshot.ts';
import type { NamedBreaker } from '../../upstream/error-ratio-breaker.ts';
import type { HostSummary } from '../../upstream/host-report.ts';
import type { OutlierStatus } from '../../upstream/outlier/status.ts';

export type ServerState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING';

export interface ClusterStatus {
  readonly config: ClusterConfig;
  readonly addedViaApi: boolean;
  /** Null = it has no outlier detection. */
  readonly outlier: OutlierStatus | null;
  readonly hosts: readonly HostSummary[];
}

export interface ListenerStatus {
  readonly name: string;
  /** Main address first. */
  readonly addresses: readonly SocketAddress[];
}

/** Certificates of one PEM text, for /certs. */
export interface CertificateText {
  /** Where it comes from: a path or `<inline>`; a trust domain's name. */
  readonly path: string;
  readonly pem: string;
}

/** What one TLS context uses. */
export interface ContextCertificates {
  readonly caCertificates: readonly CertificateText[];
  /** Leaf first in each. */
  readonly certificateChains: readonly CertificateText[];
}

export interface DrainRequest {
  readonly inboundOnly: boolean;
  readonly graceful: boolean;
  readonly skipExit: boolean;
}

export interface AdminSources {
  state(): ServerState;
  /** A worker does not answer: whatever the state, requests wait. */
  isStuck(): boolean;
  /** Seconds since start. */
  uptimeSeconds(): number;
  stats(): Promise<StatEntry[]>;
  clusters(): Promise<readonly ClusterStatus[]>;
  /** By cluster name; clusters without outlier detection are not there. */
  outliers(): ReadonlyMap<string, OutlierStatus>;
  /** Error-ratio breakers. */
  breakers(): readonly NamedBreaker[];
  listeners(): readonly ListenerStatus[];
  /** Sections of /config_dump in JSON form, secrets already redacted. */
  configDump(includeEds: boolean): readonly Readonly<Record<string, unknown>>[];
  /** ClientStatusResponse in JSON form, secrets redacted. */
  clientStatus(request: ClientStatusRequestProto): Readonly<Record<string, unknown>>;
  certificates(): readonly ContextCertificates[];
  serverInfo(): Readonly<Record<string, unknown>>;
  logLevel(): LogLevel;
  setLogLevel(level: LogLevel): void;
  reopenLogs(): void;
  runtime(): RuntimeDump;
  /** The error, or null. */
  modifyRuntime(changes: Iterable<readonly [key: string, value: string]>): string | null;
  drainListeners(request: DrainRequest): void;
  failHealthchecks(fail: boolean): void;
  quit(): void;
}
