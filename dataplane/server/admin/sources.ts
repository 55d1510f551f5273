// What the admin pages are made of; the server implements it. Pages never touch anything else.

import type { LogLevel } from '../../../common/logger.ts';
import type { ClusterConfig } from '../../api/config/cluster.ts';
import type { SocketAddress } from '../../api/connection.ts';
import type { StatEntry } from '../../stats/snapshot.ts';
import type { HostSummary } from '../../upstream/host-report.ts';

export type ServerState = 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING';

export interface ClusterStatus {
  readonly config: ClusterConfig;
  readonly addedViaApi: boolean;
  readonly hosts: readonly HostSummary[];
}

export interface ListenerStatus {
  readonly name: string;
  readonly address: SocketAddress;
}

/** One certificate in use, for /certs. */
export interface CertificateStatus {
  /** Where it comes from: a path, `<inline>` or the SDS secret's name. */
  readonly source: string;
  readonly caCertPem: string;
  readonly certChainPem: string;
}

export interface DrainRequest {
  readonly inboundOnly: boolean;
  readonly graceful: boolean;
  readonly skipExit: boolean;
}

export interface AdminSources {
  state(): ServerState;
  /** Seconds since start. */
  uptimeSeconds(): number;
  stats(): Promise<StatEntry[]>;
  clusters(): Promise<readonly ClusterStatus[]>;
  listeners(): readonly ListenerStatus[];
  /** Sections of /config_dump in JSON form, secrets already redacted. */
  configDump(includeEds: boolean): readonly Readonly<Record<string, unknown>>[];
  certificates(): readonly CertificateStatus[];
  serverInfo(): Readonly<Record<string, unknown>>;
  logLevel(): LogLevel;
  setLogLevel(level: LogLevel): void;
  reopenLogs(): void;
  drainListeners(request: DrainRequest): void;
  failHealthchecks(fail: boolean): void;
  quit(): void;
}
